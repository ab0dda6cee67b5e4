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
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.TimeoutException;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/** Reading partitions from here to there without a group, and live group members by handle. */
final class Consumers {
    private static final Map<String, KafkaConsumer<byte[], byte[]>> OPEN = new ConcurrentHashMap<>();

    static void register(Map<String, LoadTool.Call> calls) {
        calls.put("consume", Consumers::consume);
        calls.put("member.open", Consumers::open);
        calls.put("member.poll", Consumers::poll);
        calls.put("member.commit", request -> {
            KafkaConsumer<byte[], byte[]> consumer = get(request);
            synchronized (consumer) {
                consumer.commitSync();
            }
            return BooleanNode.TRUE;
        });
        calls.put("member.close", request -> {
            KafkaConsumer<byte[], byte[]> consumer = OPEN.remove(request.get("handle").asText());
            if (consumer != null) {
                synchronized (consumer) {
                    consumer.close();
                }
            }
            return BooleanNode.TRUE;
        });
    }

    /**
     * Reads {@code partitions} (default: all) from {@code from} (default: the start) until the end as it was when asked, or,
     * with {@code count}, until so many records were read. Past {@code timeoutMs} it fails and says how far it came.
     */
    private static JsonNode consume(JsonNode request) {
        Map<String, Object> config = LoadTool.properties(request, "client");
        config.put("enable.auto.commit", "false");
        config.put("auto.offset.reset", "none");
        config.put("isolation.level", request.path("isolation").asText("read_uncommitted"));
        config.put("max.partition.fetch.bytes", String.valueOf(16 << 20));
        String topic = request.get("topic").asText();
        long count = request.path("count").asLong(-1);
        long deadline = System.nanoTime() + Duration.ofMillis(request.path("timeoutMs").asLong(30_000)).toNanos();
        ArrayNode records = LoadTool.JSON.createArrayNode();
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(config)) {
            List<TopicPartition> partitions = new ArrayList<>();
            if (request.hasNonNull("partitions")) {
                request.get("partitions").forEach(p -> partitions.add(new TopicPartition(topic, p.asInt())));
            } else {
                consumer.partitionsFor(topic).forEach(p -> partitions.add(new TopicPartition(topic, p.partition())));
            }
            consumer.assign(partitions);
            Map<TopicPartition, Long> start = consumer.beginningOffsets(partitions);
            Map<TopicPartition, Long> end = consumer.endOffsets(partitions);
            for (TopicPartition partition : partitions) {
                JsonNode from = request.path("from").path(String.valueOf(partition.partition()));
                consumer.seek(partition, from.isNumber() ? from.asLong() : start.get(partition));
            }
            while (true) {
                boolean done = count >= 0
                    ? records.size() >= count
                    : partitions.stream().allMatch(p -> consumer.position(p) >= end.get(p));
                if (done) {
                    return records;
                }
                if (System.nanoTime() > deadline) {
                    throw new TimeoutException("read " + records.size() + " records of " + topic
                        + (count >= 0 ? ", wanted " + count : ", wanted offsets " + end));
                }
                consumer.poll(Duration.ofMillis(200)).forEach(record -> records.add(row(record)));
            }
        }
    }

    private static JsonNode open(JsonNode request) {
        Map<String, Object> config = LoadTool.properties(request, "client");
        config.put("group.id", request.get("group").asText());
        config.put("enable.auto.commit", "false");
        config.put("auto.offset.reset", "earliest");
        config.putAll(LoadTool.properties(request, "config"));
        KafkaConsumer<byte[], byte[]> consumer = consumer(config);
        List<String> topics = new ArrayList<>();
        request.get("topics").forEach(topic -> topics.add(topic.asText()));
        consumer.subscribe(topics);
        OPEN.put(request.get("handle").asText(), consumer);
        return BooleanNode.TRUE;
    }

    private static JsonNode poll(JsonNode request) {
        KafkaConsumer<byte[], byte[]> consumer = get(request);
        ArrayNode records = LoadTool.JSON.createArrayNode();
        synchronized (consumer) {
            consumer.poll(Duration.ofMillis(request.path("timeoutMs").asLong(200)))
                .forEach(record -> records.add(row(record)));
        }
        return records;
    }

    private static KafkaConsumer<byte[], byte[]> consumer(Map<String, Object> config) {
        return new KafkaConsumer<>(config, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    private static KafkaConsumer<byte[], byte[]> get(JsonNode request) {
        KafkaConsumer<byte[], byte[]> consumer = OPEN.get(request.get("handle").asText());
        if (consumer == null) {
            throw new IllegalStateException("no open member " + request.get("handle"));
        }
        return consumer;
    }

    private static ObjectNode row(ConsumerRecord<byte[], byte[]> record) {
        ObjectNode row = LoadTool.JSON.createObjectNode();
        row.put("t", record.topic());
        row.put("p", record.partition());
        row.put("o", record.offset());
        row.put("ts", record.timestamp());
        row.put("tt", record.timestampType().toString());
        record.leaderEpoch().ifPresent(epoch -> row.put("le", epoch));
        row.put("k", record.key());
        row.put("v", record.value());
        ArrayNode headers = row.putArray("h");
        for (Header header : record.headers()) {
            headers.addArray().add(header.key()).add(header.value());
        }
        return row;
    }
}
