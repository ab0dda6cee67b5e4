package portage;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.BooleanNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Future;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Producers by handle. The records of one {@code send} go out as one batch per partition: nothing leaves before the flush
 * that ends it, and the size limits are far away (unless the caller's config says otherwise).
 */
final class Producers {
    private static final Map<String, KafkaProducer<byte[], byte[]>> OPEN = new ConcurrentHashMap<>();

    static void register(Map<String, LoadTool.Call> calls) {
        calls.put("producer.open", Producers::open);
        calls.put("producer.send", Producers::send);
        calls.put("producer.begin", request -> {
            get(request).beginTransaction();
            return BooleanNode.TRUE;
        });
        calls.put("producer.commit", request -> {
            get(request).commitTransaction();
            return BooleanNode.TRUE;
        });
        calls.put("producer.abort", request -> {
            get(request).abortTransaction();
            return BooleanNode.TRUE;
        });
        calls.put("producer.close", request -> {
            KafkaProducer<byte[], byte[]> producer = OPEN.remove(request.get("handle").asText());
            if (producer != null) {
                producer.close(Duration.ZERO);
            }
            return BooleanNode.TRUE;
        });
    }

    private static JsonNode open(JsonNode request) {
        Map<String, Object> config = LoadTool.properties(request, "client");
        config.put("linger.ms", "60000");
        config.put("batch.size", String.valueOf(32 << 20));
        config.put("max.request.size", String.valueOf(64 << 20));
        config.put("buffer.memory", String.valueOf(128 << 20));
        config.putAll(LoadTool.properties(request, "config"));
        KafkaProducer<byte[], byte[]> producer =
            new KafkaProducer<>(config, new ByteArraySerializer(), new ByteArraySerializer());
        try {
            if (config.containsKey("transactional.id")) {
                producer.initTransactions();
            }
        } catch (RuntimeException failed) {
            producer.close(Duration.ZERO);
            throw failed;
        }
        OPEN.put(request.get("handle").asText(), producer);
        return BooleanNode.TRUE;
    }

    private static JsonNode send(JsonNode request) throws Exception {
        KafkaProducer<byte[], byte[]> producer = get(request);
        String topic = request.get("topic").asText();
        List<Future<RecordMetadata>> acks = new ArrayList<>();
        for (JsonNode record : request.get("records")) {
            Integer partition = request.hasNonNull("partition") ? Integer.valueOf(request.get("partition").asInt()) : null;
            Long timestamp = record.hasNonNull("ts") ? Long.valueOf(record.get("ts").asLong()) : null;
            ProducerRecord<byte[], byte[]> sent = new ProducerRecord<>(
                topic, partition, timestamp, LoadTool.bytes(record.get("k")), LoadTool.bytes(record.get("v")));
            Headers headers = sent.headers();
            if (record.hasNonNull("h")) {
                for (JsonNode header : record.get("h")) {
                    headers.add(header.get(0).asText(), LoadTool.bytes(header.get(1)));
                }
            }
            acks.add(producer.send(sent));
        }
        producer.flush();
        ArrayNode answer = LoadTool.JSON.createArrayNode();
        for (Future<RecordMetadata> ack : acks) {
            RecordMetadata metadata = ack.get();
            ObjectNode row = answer.addObject();
            row.put("p", metadata.partition());
            row.put("o", metadata.offset());
            row.put("ts", metadata.timestamp());
        }
        return answer;
    }

    private static KafkaProducer<byte[], byte[]> get(JsonNode request) {
        KafkaProducer<byte[], byte[]> producer = OPEN.get(request.get("handle").asText());
        if (producer == null) {
            throw new IllegalStateException("no open producer " + request.get("handle"));
        }
        return producer;
    }
}
