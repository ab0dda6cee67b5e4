package portage;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.File;
import java.util.Map;
import org.apache.kafka.common.record.internal.FileLogInputStream.FileChannelRecordBatch;
import org.apache.kafka.common.record.internal.FileRecords;

/** What really lies in a partition's log: the batch headers of its segment files, read with Kafka's own classes. */
final class Segments {
    static void register(Map<String, LoadTool.Call> calls) {
        calls.put("batches", Segments::batches);
    }

    private static JsonNode batches(JsonNode request) throws Exception {
        ArrayNode rows = LoadTool.JSON.createArrayNode();
        for (JsonNode segment : request.get("segments")) {
            try (FileRecords records = FileRecords.open(new File(segment.asText()), false)) {
                for (FileChannelRecordBatch batch : records.batches()) {
                    ObjectNode row = rows.addObject();
                    row.put("baseOffset", batch.baseOffset());
                    row.put("lastOffset", batch.lastOffset());
                    row.put("count", batch.countOrNull());
                    row.put("sizeBytes", batch.sizeInBytes());
                    row.put("magic", batch.magic());
                    row.put("codec", batch.compressionType().name);
                    row.put("timestampType", batch.timestampType().toString());
                    row.put("maxTimestamp", batch.maxTimestamp());
                    row.put("producerId", batch.producerId());
                    row.put("producerEpoch", batch.producerEpoch());
                    row.put("baseSequence", batch.baseSequence());
                    row.put("leaderEpoch", batch.partitionLeaderEpoch());
                    row.put("transactional", batch.isTransactional());
                    row.put("control", batch.isControlBatch());
                    row.put("deleteHorizon", batch.deleteHorizonMs().isPresent());
                    row.put("valid", valid(batch));
                }
            }
        }
        return rows;
    }

    private static boolean valid(FileChannelRecordBatch batch) {
        try {
            batch.ensureValid();
            return true;
        } catch (RuntimeException damaged) {
            return false;
        }
    }
}
