package portage;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/**
 * Apache Kafka's own clients behind lines of JSON: the specs' oracle, so that our client is never judged by itself.
 *
 * <p>One request a line on standard input, {@code {"id":1,"call":"consume","client":{…},…}}; one answer a line on standard
 * output, in any order: {@code {"id":1,"result":…}} or {@code {"id":1,"error":{"class":…,"message":…}}}. Bytes are base64,
 * absent bytes are null. {@code client} holds Kafka client properties. The process ends when its input ends.
 */
public final class LoadTool {
    static final ObjectMapper JSON = new ObjectMapper();

    interface Call {
        JsonNode apply(JsonNode request) throws Exception;
    }

    public static void main(String[] args) throws Exception {
        // Whatever prints to standard output must not disturb the protocol.
        PrintStream answers = new PrintStream(System.out, false, StandardCharsets.UTF_8);
        System.setOut(System.err);
        Map<String, Call> calls = new HashMap<>();
        Producers.register(calls);
        Consumers.register(calls);
        Admins.register(calls);
        GroupAdmins.register(calls);
        SecurityAdmins.register(calls);
        Segments.register(calls);

        ExecutorService workers = Executors.newCachedThreadPool(task -> {
            Thread thread = new Thread(task);
            thread.setDaemon(true);
            return thread;
        });
        BufferedReader requests = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = requests.readLine(); line != null; line = requests.readLine()) {
            String request = line;
            workers.execute(() -> {
                String answer = answer(calls, request);
                synchronized (answers) {
                    answers.print(answer + "\n");
                    answers.flush();
                }
            });
        }
        System.exit(0);
    }

    private static String answer(Map<String, Call> calls, String line) {
        ObjectNode answer = JSON.createObjectNode();
        try {
            JsonNode request = JSON.readTree(line);
            answer.set("id", request.get("id"));
            Call call = calls.get(request.get("call").asText());
            if (call == null) {
                throw new IllegalArgumentException("no such call: " + request.get("call"));
            }
            answer.set("result", call.apply(request));
        } catch (Throwable thrown) {
            Throwable cause = thrown instanceof ExecutionException && thrown.getCause() != null ? thrown.getCause() : thrown;
            ObjectNode error = answer.putObject("error");
            error.put("class", cause.getClass().getName());
            error.put("message", String.valueOf(cause.getMessage()));
        }
        return answer.toString();
    }

    /** The object under {@code field} as properties, sorted, so that equal ones are equal as map keys. */
    static Map<String, Object> properties(JsonNode request, String field) {
        Map<String, Object> properties = new TreeMap<>();
        if (request.hasNonNull(field)) {
            request.get(field).properties().forEach(e -> properties.put(e.getKey(), e.getValue().asText()));
        }
        return properties;
    }

    static byte[] bytes(JsonNode base64) throws java.io.IOException {
        return base64 == null || base64.isNull() ? null : base64.binaryValue();
    }
}
