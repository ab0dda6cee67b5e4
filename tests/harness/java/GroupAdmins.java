package portage;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.BooleanNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.time.Duration;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.apache.kafka.clients.admin.GroupListing;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.GroupType;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.connect.mirror.RemoteClusterUtils;

/** Groups and their committed offsets through Kafka's admin client. */
final class GroupAdmins {
    static void register(Map<String, LoadTool.Call> calls) {
        calls.put("group.list", GroupAdmins::list);
        calls.put("group.offsets", GroupAdmins::offsets);
        calls.put("group.alterOffsets", GroupAdmins::alterOffsets);
        calls.put("group.deleteOffsets", request -> {
            Set<TopicPartition> partitions = new HashSet<>();
            request.get("partitions").forEach(row -> partitions.add(Admins.partition(row)));
            Admins.get(request).deleteConsumerGroupOffsets(group(request), partitions).all().get();
            return BooleanNode.TRUE;
        });
        calls.put("group.translated", GroupAdmins::translated);
        calls.put("group.delete", request -> {
            Admins.get(request).deleteConsumerGroups(List.of(group(request))).all().get();
            return BooleanNode.TRUE;
        });
    }

    private static String group(JsonNode request) {
        return request.get("group").asText();
    }

    /** Every group of any protocol: id, type (classic, consumer, …), protocol ("consumer", "connect", …), state. */
    private static JsonNode list(JsonNode request) throws Exception {
        ArrayNode rows = LoadTool.JSON.createArrayNode();
        for (GroupListing group : Admins.get(request).listGroups().all().get()) {
            ObjectNode row = rows.addObject();
            row.put("group", group.groupId());
            row.put("type", group.type().map(GroupType::toString).orElse(""));
            row.put("protocol", group.protocol());
            row.put("state", group.groupState().map(Object::toString).orElse(""));
        }
        return rows;
    }

    private static JsonNode offsets(JsonNode request) throws Exception {
        Map<TopicPartition, OffsetAndMetadata> committed =
            Admins.get(request).listConsumerGroupOffsets(group(request)).partitionsToOffsetAndMetadata().get();
        ArrayNode rows = LoadTool.JSON.createArrayNode();
        committed.forEach((partition, offset) -> {
            if (offset != null) {
                ObjectNode row = rows.addObject();
                row.put("topic", partition.topic());
                row.put("partition", partition.partition());
                row.put("offset", offset.offset());
                row.put("metadata", offset.metadata());
                offset.leaderEpoch().ifPresent(epoch -> row.put("leaderEpoch", epoch));
            }
        });
        return rows;
    }

    /** What MirrorMaker's client library makes of the checkpoints of a source cluster, on the target that is asked. */
    private static JsonNode translated(JsonNode request) throws Exception {
        Map<String, Object> client = LoadTool.properties(request, "client");
        ArrayNode rows = LoadTool.JSON.createArrayNode();
        RemoteClusterUtils.translateOffsets(client, request.get("source").asText(), group(request), Duration.ofSeconds(30))
            .forEach((partition, offset) -> {
                ObjectNode row = rows.addObject();
                row.put("topic", partition.topic());
                row.put("partition", partition.partition());
                row.put("offset", offset.offset());
                row.put("metadata", offset.metadata());
            });
        return rows;
    }

    private static JsonNode alterOffsets(JsonNode request) throws Exception {
        Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
        for (JsonNode row : request.get("offsets")) {
            Optional<Integer> epoch =
                row.hasNonNull("leaderEpoch") ? Optional.of(row.get("leaderEpoch").asInt()) : Optional.empty();
            offsets.put(Admins.partition(row),
                new OffsetAndMetadata(row.get("offset").asLong(), epoch, row.path("metadata").asText("")));
        }
        Admins.get(request).alterConsumerGroupOffsets(group(request), offsets).all().get();
        return BooleanNode.TRUE;
    }
}
