// Writes record batches with Apache Kafka's own classes, and what those classes read back from them; see README.md.
//
//   java -cp <kafka-clients and its dependencies> GoldenBatches.java            prints java-4.3.0.txt
//   java -cp <the same> GoldenBatches.java read < lines                         reads "set NAME" and "bytes HEX" lines, and
//                                                                               prints what Kafka makes of them

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Scanner;

import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.message.LeaderChangeMessage;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.record.internal.*;
import org.apache.kafka.common.utils.ByteBufferOutputStream;

public class GoldenBatches {
    static final long T = 1_700_000_000_000L;
    static final Header[] NO_HEADERS = {};

    public static void main(String[] args) {
        if (args.length == 1 && args[0].equals("read")) {
            readAll();
        } else {
            writeAll();
        }
    }

    static void readAll() {
        Scanner lines = new Scanner(System.in);
        while (lines.hasNextLine()) {
            String[] words = lines.nextLine().split(" ");
            if (words[0].equals("set")) {
                System.out.println("set " + words[1]);
            } else if (words[0].equals("bytes")) {
                describe(ByteBuffer.wrap(HexFormat.of().parseHex(words[1])));
            }
        }
    }

    static void writeAll() {
        for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd")) {
            print(codec, small(builder(RecordBatch.MAGIC_VALUE_V2, codec, TimestampType.CREATE_TIME, 100)));
            if (!codec.equals("none")) {
                print(codec + "-large", large(builder(RecordBatch.MAGIC_VALUE_V2, codec, TimestampType.CREATE_TIME, 0)));
            }
            print(codec + "-append-time",
                small(builder(RecordBatch.MAGIC_VALUE_V2, codec, TimestampType.LOG_APPEND_TIME, 100)));
        }
        print("no-timestamp", one(builder(RecordBatch.MAGIC_VALUE_V2, "none", TimestampType.CREATE_TIME, 5), -1));
        print("transactional", small(MemoryRecords.builder(ByteBuffer.allocate(1024), RecordBatch.MAGIC_VALUE_V2,
            compression("lz4"), TimestampType.CREATE_TIME, 100, RecordBatch.NO_TIMESTAMP, 4000L, (short) 3, 17, true, 9)));
        print("compacted", gaps(builder(RecordBatch.MAGIC_VALUE_V2, "zstd", TimestampType.CREATE_TIME, 200)));
        print("delete-horizon", small(new MemoryRecordsBuilder(new ByteBufferOutputStream(ByteBuffer.allocate(1024)),
            RecordBatch.MAGIC_VALUE_V2, compression("lz4"), TimestampType.CREATE_TIME, 100, RecordBatch.NO_TIMESTAMP,
            4000L, (short) 3, 17, false, false, 9, 1024, T + 86_400_000)));
        print("commit", MemoryRecords.withEndTransactionMarker(50, T, 9, 4000L, (short) 3,
            new EndTransactionMarker(ControlRecordType.COMMIT, 2)));
        print("abort", MemoryRecords.withEndTransactionMarker(51, T, 9, 4000L, (short) 3,
            new EndTransactionMarker(ControlRecordType.ABORT, 2)));
        print("leader-change", MemoryRecords.withLeaderChangeMessage(52, T, 9, ByteBuffer.allocate(1024),
            new LeaderChangeMessage().setLeaderId(1)));
        ByteBuffer shell = ByteBuffer.allocate(61);
        DefaultRecordBatch.writeEmptyHeader(shell, RecordBatch.MAGIC_VALUE_V2, 4000L, (short) 3, 17, 60, 64, 9,
            TimestampType.CREATE_TIME, T, true, false);
        shell.flip();
        print("emptied", MemoryRecords.readableRecords(shell));
        for (byte magic : new byte[] {0, 1}) {
            for (String codec : List.of("none", "gzip", "snappy", "lz4")) {
                print("magic" + magic + "-" + codec, legacy(builder(magic, codec, TimestampType.CREATE_TIME, 300)));
            }
        }
        print("magic1-gzip-append-time",
            legacy(builder(RecordBatch.MAGIC_VALUE_V1, "gzip", TimestampType.LOG_APPEND_TIME, 300)));
        print("magic1-compacted", legacyGaps(builder(RecordBatch.MAGIC_VALUE_V1, "lz4", TimestampType.CREATE_TIME, 400)));
    }

    static Compression compression(String name) {
        return Compression.of(name).build();
    }

    static MemoryRecordsBuilder builder(byte magic, String codec, TimestampType type, long baseOffset) {
        long appendTime = type == TimestampType.LOG_APPEND_TIME ? T + 99_999 : RecordBatch.NO_TIMESTAMP;
        return MemoryRecords.builder(ByteBuffer.allocate(1024), magic, compression(codec), type, baseOffset, appendTime);
    }

    static byte[] utf8(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    static Header header(String key, String value) {
        return new RecordHeader(key, value == null ? null : utf8(value));
    }

    /** Null and empty keys and values, duplicate, null and empty headers, time going backwards. */
    static MemoryRecords small(MemoryRecordsBuilder builder) {
        Header[] headers = {header("h", "1"), header("h", "2"), header("null", null), header("", ""), header("ü", "é")};
        builder.append(T, utf8("key"), utf8("value"), headers);
        builder.append(T + 1, null, utf8("no key"), NO_HEADERS);
        builder.append(T - 10_000, utf8(""), utf8(""), new Header[] {header("h", null)});
        builder.append(T + 5_000_000_000L, utf8("gone"), null, NO_HEADERS);
        builder.append(T, (byte[]) null, (byte[]) null, NO_HEADERS);
        return builder.build();
    }

    /** More than one block of every codec. */
    static MemoryRecords large(MemoryRecordsBuilder builder) {
        StringBuilder text = new StringBuilder();
        for (int i = 0; text.length() < 300_000; i++) {
            text.append("line ").append(i % 50).append('\n');
        }
        builder.append(T, utf8("large"), utf8(text.toString()), NO_HEADERS);
        for (int i = 0; i < 100; i++) {
            builder.append(T + i, utf8("k" + i), utf8("v" + i), NO_HEADERS);
        }
        return builder.build();
    }

    static MemoryRecords one(MemoryRecordsBuilder builder, long timestamp) {
        builder.append(timestamp, utf8("k"), utf8("v"), NO_HEADERS);
        return builder.build();
    }

    static MemoryRecords gaps(MemoryRecordsBuilder builder) {
        builder.appendWithOffset(201, T, utf8("a"), utf8("1"), NO_HEADERS);
        builder.appendWithOffset(204, T, utf8("b"), utf8("2"), NO_HEADERS);
        builder.overrideLastOffset(209);
        return builder.build();
    }

    static MemoryRecords legacy(MemoryRecordsBuilder builder) {
        builder.append(T, utf8("key"), utf8("value"));
        builder.append(T + 1, null, utf8("no key"));
        builder.append(T - 10_000, utf8(""), utf8(""));
        builder.append(T + 2, utf8("gone"), null);
        return builder.build();
    }

    static MemoryRecords legacyGaps(MemoryRecordsBuilder builder) {
        builder.appendWithOffset(401, T, utf8("a"), utf8("1"));
        builder.appendWithOffset(404, T, utf8("b"), utf8("2"));
        return builder.build();
    }

    static void print(String name, MemoryRecords records) {
        ByteBuffer buffer = records.buffer();
        byte[] bytes = new byte[buffer.remaining()];
        buffer.duplicate().get(bytes);
        System.out.println("set " + name);
        System.out.println("bytes " + HexFormat.of().formatHex(bytes));
        describe(ByteBuffer.wrap(bytes));
    }

    static void describe(ByteBuffer buffer) {
        for (MutableRecordBatch batch : MemoryRecords.readableRecords(buffer).batches()) {
            batch.ensureValid();
            if (batch.magic() == RecordBatch.MAGIC_VALUE_V2) {
                // lastOffset and countOrNull are what the header says.
                System.out.printf("batch %d %d %d %s %s %b %b %b %d %d %d %d %d %d%n", batch.baseOffset(),
                    batch.lastOffset(), batch.countOrNull(), batch.compressionType().name, batch.timestampType(),
                    batch.isTransactional(), batch.isControlBatch(), batch.deleteHorizonMs().isPresent(),
                    batch.partitionLeaderEpoch(), batch.maxTimestamp(), batch.producerId(), batch.producerEpoch(),
                    batch.baseSequence(), batch.checksum());
            }
            for (org.apache.kafka.common.record.internal.Record record : batch) {
                if (batch.isControlBatch()) {
                    System.out.println("control " + ControlRecordType.parse(record.key()));
                    continue;
                }
                List<String> headers = new ArrayList<>();
                for (Header header : record.headers()) {
                    headers.add(hex(ByteBuffer.wrap(utf8(header.key()))) + ":"
                        + hex(header.value() == null ? null : ByteBuffer.wrap(header.value())));
                }
                System.out.println("record " + record.offset() + " " + record.timestamp() + " " + hex(record.key()) + " "
                    + hex(record.value()) + " [" + String.join(",", headers) + "]");
            }
        }
    }

    /** "null", or x and the bytes; more than 1,000 bytes are given as length and CRC-32C. */
    static String hex(ByteBuffer buffer) {
        if (buffer == null) {
            return "null";
        }
        byte[] bytes = new byte[buffer.remaining()];
        buffer.duplicate().get(bytes);
        if (bytes.length > 1000) {
            java.util.zip.CRC32C crc = new java.util.zip.CRC32C();
            crc.update(bytes);
            return "crc32c:" + bytes.length + ":" + crc.getValue();
        }
        return "x" + HexFormat.of().formatHex(bytes);
    }
}
