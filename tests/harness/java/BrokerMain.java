package portage;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;

/**
 * A Kafka server in one JVM start: formats its storage if that was not done yet, then runs.
 * Usage: BrokerMain server.properties logDir clusterId [further arguments of kafka-storage format].
 */
public final class BrokerMain {
    public static void main(String[] args) {
        String properties = args[0];
        Path logDir = Path.of(args[1]);
        if (!Files.exists(logDir.resolve("meta.properties"))) {
            List<String> format = new ArrayList<>(List.of("format", "-t", args[2], "-c", properties));
            format.addAll(List.of(args).subList(3, args.length));
            int code = kafka.tools.StorageTool.execute(format.toArray(new String[0]), System.out);
            if (code != 0) {
                System.exit(code);
            }
        }
        Integer trainingPort = Integer.getInteger("harness.train");
        if (trainingPort != null) {
            endWhenUsed(trainingPort);
        }
        kafka.Kafka.main(new String[] {properties});
    }

    /** For the run that makes the class data archive: ends this process once a client has created a topic. */
    private static void endWhenUsed(int port) {
        Thread watch = new Thread(() -> {
            Map<String, Object> client = Map.of("bootstrap.servers", "127.0.0.1:" + port);
            try (Admin admin = Admin.create(client)) {
                admin.createTopics(List.of(new NewTopic("trained", 1, (short) 1))).all().get();
            } catch (InterruptedException | ExecutionException failed) {
                Runtime.getRuntime().halt(1);
            }
            System.exit(0);
        });
        watch.setDaemon(true);
        watch.start();
    }
}
