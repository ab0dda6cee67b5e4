package portage;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.BooleanNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.ListOffsetsOptions;
import org.apache.kafka.clients.admin.ListTopicsOptions;
import org.apache.kafka.clients.admin.NewPartitionReassignment;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.ProducerState;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.common.ElectionType;
import org.apache.kafka.common.IsolationLevel;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.TopicPartitionInfo;
import org.apache.kafka.common.config.ConfigResource;

/** Topics, configs, offsets and replicas through Kafka's admin client; one client per set of properties, kept. */
final class Admins {
    private static final Map<Map<String, Object>, Admin> OPEN = new ConcurrentHashMap<>();

    static void register(Map<String, LoadTool.Call> calls) {
        calls.put("forget", Admins::forget);
        calls.put("topic.create", Admins::createTopic);
        calls.put("topic.delete", request -> {
            get(request).deleteTopics(List.of(topic(request))).all().get();
            return BooleanNode.TRUE;
        });
        calls.put("topic.grow", request -> {
            NewPartitions total = NewPartitions.increaseTo(request.get("partitions").asInt());
            get(request).createPartitions(Map.of(topic(request), total)).all().get();
            return BooleanNode.TRUE;
        });
        calls.put("topic.describe", Admins::describeTopic);
        calls.put("topic.list", Admins::listTopics);
        calls.put("topic.offsets", Admins::offsets);
        calls.put("topic.deleteRecords", Admins::deleteRecords);
        calls.put("topic.producers", Admins::producers);
        calls.put("topic.reassign", Admins::reassign);
        calls.put("topic.electPreferred", request -> {
            get(request).electLeaders(ElectionType.PREFERRED, java.util.Set.of(partition(request))).all().get();
            return BooleanNode.TRUE;
        });
        calls.put("config.describe", Admins::describeConfig);
        calls.put("config.alter", Admins::alterConfig);
    }

    static Admin get(JsonNode request) {
        return OPEN.computeIfAbsent(LoadTool.properties(request, "client"), Admin::create);
    }

    private static JsonNode forget(JsonNode request) {
        Admin admin = OPEN.remove(LoadTool.properties(request, "client"));
        if (admin != null) {
            admin.close(Duration.ZERO);
        }
        return BooleanNode.TRUE;
    }

    private static JsonNode createTopic(JsonNode request) throws Exception {
        NewTopic topic = new NewTopic(
            topic(request),
            Optional.of(request.path("partitions").asInt(1)),
            Optional.of((short) request.path("replicationFactor").asInt(1)));
        Map<String, String> configs = new HashMap<>();
        LoadTool.properties(request, "configs").forEach((key, value) -> configs.put(key, (String) value));
        get(request).createTopics(List.of(topic.configs(configs))).all().get();
        return BooleanNode.TRUE;
    }

    private static JsonNode describeTopic(JsonNode request) throws Exception {
        TopicDescription description =
            get(request).describeTopics(List.of(topic(request))).allTopicNames().get().get(topic(request));
        ObjectNode answer = LoadTool.JSON.createObjectNode();
        answer.put("id", description.topicId().toString());
        ArrayNode partitions = answer.putArray("partitions");
        for (TopicPartitionInfo partition : description.partitions()) {
            ObjectNode row = partitions.addObject();
            row.put("partition", partition.partition());
            row.put("leader", partition.leader() == null ? -1 : partition.leader().id());
            row.set("replicas", ids(partition.replicas()));
            row.set("isr", ids(partition.isr()));
        }
        return answer;
    }

    private static ArrayNode ids(Collection<Node> nodes) {
        ArrayNode ids = LoadTool.JSON.createArrayNode();
        nodes.forEach(node -> ids.add(node.id()));
        return ids;
    }

    private static JsonNode listTopics(JsonNode request) throws Exception {
        ArrayNode names = LoadTool.JSON.createArrayNode();
        get(request).listTopics(new ListTopicsOptions().listInternal(true)).names().get().stream()
            .sorted().forEach(names::add);
        return names;
    }

    /** Per partition, the offset at {@code at}: "earliest", "latest", "max-timestamp" or a timestamp in milliseconds. */
    private static JsonNode offsets(JsonNode request) throws Exception {
        String at = request.path("at").asText("latest");
        OffsetSpec spec = switch (at) {
            case "earliest" -> OffsetSpec.earliest();
            case "latest" -> OffsetSpec.latest();
            case "max-timestamp" -> OffsetSpec.maxTimestamp();
            default -> OffsetSpec.forTimestamp(Long.parseLong(at));
        };
        String isolation = request.path("isolation").asText("read_uncommitted").toUpperCase(Locale.ROOT);
        String topic = topic(request);
        Map<TopicPartition, OffsetSpec> wanted = new HashMap<>();
        get(request).describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions()
            .forEach(p -> wanted.put(new TopicPartition(topic, p.partition()), spec));
        ObjectNode answer = LoadTool.JSON.createObjectNode();
        get(request).listOffsets(wanted, new ListOffsetsOptions(IsolationLevel.valueOf(isolation))).all().get()
            .forEach((partition, offset) -> answer.put(String.valueOf(partition.partition()), offset.offset()));
        return answer;
    }

    private static JsonNode deleteRecords(JsonNode request) throws Exception {
        RecordsToDelete before = RecordsToDelete.beforeOffset(request.get("before").asLong());
        get(request).deleteRecords(Map.of(partition(request), before)).all().get();
        return BooleanNode.TRUE;
    }

    private static JsonNode producers(JsonNode request) throws Exception {
        ArrayNode rows = LoadTool.JSON.createArrayNode();
        TopicPartition partition = partition(request);
        for (ProducerState state : get(request).describeProducers(List.of(partition)).partitionResult(partition).get()
                .activeProducers()) {
            ObjectNode row = rows.addObject();
            row.put("producerId", state.producerId());
            row.put("producerEpoch", state.producerEpoch());
            row.put("lastSequence", state.lastSequence());
        }
        return rows;
    }

    private static JsonNode reassign(JsonNode request) throws Exception {
        List<Integer> replicas = new ArrayList<>();
        request.get("replicas").forEach(id -> replicas.add(id.asInt()));
        get(request).alterPartitionReassignments(
            Map.of(partition(request), Optional.of(new NewPartitionReassignment(replicas)))).all().get();
        return BooleanNode.TRUE;
    }

    private static ConfigResource resource(JsonNode request) {
        String type = request.path("type").asText("topic").toUpperCase(Locale.ROOT);
        return new ConfigResource(ConfigResource.Type.valueOf(type), request.get("name").asText());
    }

    /** The settings that differ from the default, or all of them with {@code all}. */
    private static JsonNode describeConfig(JsonNode request) throws Exception {
        ConfigResource resource = resource(request);
        boolean all = request.path("all").asBoolean(false);
        ObjectNode answer = LoadTool.JSON.createObjectNode();
        get(request).describeConfigs(List.of(resource)).all().get().get(resource).entries().stream()
            .filter(entry -> all || entry.source() == ConfigEntry.ConfigSource.DYNAMIC_TOPIC_CONFIG
                || entry.source() == ConfigEntry.ConfigSource.DYNAMIC_BROKER_CONFIG
                || entry.source() == ConfigEntry.ConfigSource.DYNAMIC_GROUP_CONFIG)
            .forEach(entry -> answer.put(entry.name(), entry.value()));
        return answer;
    }

    /** Sets each of {@code configs}; null takes the setting away. */
    private static JsonNode alterConfig(JsonNode request) throws Exception {
        List<AlterConfigOp> changes = new ArrayList<>();
        request.get("configs").properties().forEach(e -> changes.add(new AlterConfigOp(
            new ConfigEntry(e.getKey(), e.getValue().isNull() ? "" : e.getValue().asText()),
            e.getValue().isNull() ? AlterConfigOp.OpType.DELETE : AlterConfigOp.OpType.SET)));
        get(request).incrementalAlterConfigs(Map.of(resource(request), changes)).all().get();
        return BooleanNode.TRUE;
    }

    private static String topic(JsonNode request) {
        return request.get("topic").asText();
    }

    static TopicPartition partition(JsonNode row) {
        return new TopicPartition(row.get("topic").asText(), row.get("partition").asInt());
    }
}
