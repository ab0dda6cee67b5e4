// Makes config_folds.jsonl: random config topics, and what Kafka's own KafkaConfigBackingStore makes of them.
//
// Each line is one topic: its records, what the store told its listener after each, and the snapshot in the end. To make
// it anew (seed, topics, records), with the jars of connect-runtime 4.3.0 in lib/:
//     javac -cp 'lib/*' -d out ConfigFolds.java
//     java -cp 'out:lib/*' org.apache.kafka.connect.storage.ConfigFolds 11 50 40 > config_folds.jsonl
package org.apache.kafka.connect.storage;

import java.lang.reflect.Constructor;
import java.lang.reflect.Field;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;

import com.fasterxml.jackson.databind.ObjectMapper;

import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.connect.json.JsonConverter;
import org.apache.kafka.connect.runtime.RestartRequest;
import org.apache.kafka.connect.runtime.SessionKey;
import org.apache.kafka.connect.runtime.WorkerConfig;
import org.apache.kafka.connect.runtime.distributed.DistributedConfig;
import org.apache.kafka.connect.util.Callback;
import org.apache.kafka.connect.util.ConnectorTaskId;

public class ConfigFolds {
    static final String[] NAMES = {"a", "b-1"};

    static class Listener implements ConfigBackingStore.UpdateListener {
        final List<String> heard = new ArrayList<>();

        @Override
        public void onConnectorConfigRemove(String connector) {
            heard.add("removed " + connector);
        }

        @Override
        public void onConnectorConfigUpdate(String connector) {
            heard.add("updated " + connector);
        }

        @Override
        public void onTaskConfigUpdate(Collection<ConnectorTaskId> tasks) {
            heard.add("tasks " + tasks.stream().sorted().toList());
        }

        @Override
        public void onConnectorTargetStateChange(String connector) {
            heard.add("target " + connector);
        }

        @Override
        public void onSessionKeyUpdate(SessionKey sessionKey) {
            heard.add("session-key");
        }

        @Override
        public void onRestartRequest(RestartRequest request) {
            heard.add("restart " + request.connectorName() + " " + request.onlyFailed() + " " + request.includeTasks());
        }

        @Override
        public void onLoggingLevelUpdate(String namespace, String level) {
            heard.add("logger " + namespace + " " + level);
        }
    }

    public static void main(String[] args) throws Exception {
        Random random = new Random(Long.parseLong(args[0]));
        ObjectMapper json = new ObjectMapper();
        for (int i = 0; i < Integer.parseInt(args[1]); i++) {
            System.out.println(json.writeValueAsString(topic(random, Integer.parseInt(args[2]))));
        }
    }

    @SuppressWarnings("unchecked")
    static Map<String, Object> topic(Random random, int length) throws Exception {
        Map<String, String> props = new HashMap<>();
        props.put("bootstrap.servers", "127.0.0.1:1");
        props.put("group.id", "g");
        props.put("config.storage.topic", "c");
        props.put("offset.storage.topic", "o");
        props.put("status.storage.topic", "s");
        props.put("key.converter", "org.apache.kafka.connect.json.JsonConverter");
        props.put("value.converter", "org.apache.kafka.connect.json.JsonConverter");
        JsonConverter converter = new JsonConverter();
        converter.configure(Map.of("schemas.enable", "false"), false);
        DistributedConfig config = new DistributedConfig(props);
        // Else it would ask a broker.
        Field clusterId = WorkerConfig.class.getDeclaredField("kafkaClusterId");
        clusterId.setAccessible(true);
        clusterId.set(config, "none");
        KafkaConfigBackingStore store = new KafkaConfigBackingStore(converter, config, null, () -> null, "x-");
        Listener listener = new Listener();
        store.setUpdateListener(listener);
        Field started = KafkaConfigBackingStore.class.getDeclaredField("started");
        started.setAccessible(true);
        started.set(store, true);
        Class<?> type = Class.forName(KafkaConfigBackingStore.class.getName() + "$ConsumeCallback");
        Constructor<?> constructor = type.getDeclaredConstructor(KafkaConfigBackingStore.class);
        constructor.setAccessible(true);
        Callback<ConsumerRecord<String, byte[]>> callback =
            (Callback<ConsumerRecord<String, byte[]>>) constructor.newInstance(store);

        List<Object> records = new ArrayList<>();
        long offset = 0;
        for (int i = 0; i <= length; i++) {
            offset += random.nextInt(4) == 0 ? 2 : 1;
            boolean last = i == length;
            String key = last ? "logger-cluster-last" : key(random);
            String value = last ? "{\"level\":\"info\"}" : value(random, key);
            listener.heard.clear();
            try {
                callback.onCompletion(null, new ConsumerRecord<>("c", 0, offset, key,
                    value == null ? null : value.getBytes(StandardCharsets.UTF_8)));
            } catch (RuntimeException e) {
                // Java's reader does not survive these, so there is nothing to agree on.
                continue;
            }
            List<Object> record = new ArrayList<>();
            record.add(offset);
            record.add(key);
            record.add(value);
            record.add(new ArrayList<>(listener.heard));
            records.add(record);
        }
        Map<String, Object> all = new LinkedHashMap<>();
        all.put("records", records);
        all.put("snapshot", dump(store.snapshot()));
        return all;
    }

    static Map<String, Object> dump(ClusterConfigState state) {
        Map<String, Object> all = new LinkedHashMap<>();
        all.put("offset", state.offset());
        all.put("session_key_created", state.sessionKey() == null ? null : state.sessionKey().creationTimestamp());
        for (String name : NAMES) {
            Map<String, Object> entry = new LinkedHashMap<>();
            entry.put("config", texts(state.rawConnectorConfig(name)));
            entry.put("applied", texts(state.appliedConnectorConfig(name)));
            entry.put("target", state.targetState(name) == null ? null : state.targetState(name).name());
            entry.put("tasks", state.tasks(name).stream().map(ConnectorTaskId::task).toList());
            entry.put("count", state.taskCount(name));
            entry.put("inconsistent", state.inconsistentConnectors().contains(name));
            entry.put("generation", state.taskConfigGeneration(name));
            entry.put("count_record", state.taskCountRecord(name));
            entry.put("pending_fencing", state.pendingFencing(name));
            Map<String, Object> configs = new TreeMap<>();
            for (int task = 0; task < 5; task++) {
                Map<String, String> config = state.rawTaskConfig(new ConnectorTaskId(name, task));
                if (config != null) {
                    configs.put("" + task, texts(config));
                }
            }
            entry.put("task_configs", configs);
            all.put(name, entry);
        }
        return all;
    }

    /** Values as text; those that are null do not count. */
    static Map<String, String> texts(Map<?, ?> config) {
        if (config == null) {
            return null;
        }
        Map<String, String> texts = new TreeMap<>();
        config.forEach((k, v) -> {
            if (v != null) {
                texts.put((String) k, String.valueOf(v));
            }
        });
        return texts;
    }

    static String key(Random random) {
        String name = NAMES[random.nextInt(NAMES.length)];
        return switch (random.nextInt(20)) {
            case 0, 1, 2 -> "connector-" + name;
            case 3, 4, 5, 6, 7, 8 -> "task-" + name + "-" + random.nextInt(4);
            case 9, 10, 11, 12 -> "commit-" + name;
            case 13, 14 -> "target-state-" + name;
            case 15 -> "restart-connector-" + name;
            case 16 -> "tasks-fencing-" + name;
            case 17 -> "session-key";
            case 18 -> "logger-cluster-org.apache";
            default -> new String[] {"", "task-", "task-a", "task-a-x", "unknown", "session-keys", "task-a-99999999999"}[random.nextInt(7)];
        };
    }

    static String value(Random random, String key) {
        // A commit that says nothing makes Java forget a connector that it does not know; we only skip it.
        switch (key.startsWith("commit-") ? 1 + random.nextInt(30) * 4 : random.nextInt(30)) {
            case 0: return null;
            case 1: return "{";
            case 2: return "null";
            case 3: return new String[] {"7", "[]", "\"text\"", "{}", "{\"properties\":[]}", "{\"state\":5}", "true"}[random.nextInt(7)];
            default:
        }
        String n = "" + random.nextInt(4);
        if (key.startsWith("connector-")) {
            return random.nextInt(4) == 0 ? null : properties(random);
        } else if (key.startsWith("task-")) {
            return properties(random);
        } else if (key.startsWith("commit-")) {
            return "{\"tasks\":" + (random.nextInt(3) == 0 ? "0" : n) + "}";
        } else if (key.startsWith("target-state-")) {
            return switch (random.nextInt(9)) {
                case 0 -> null;
                case 1 -> "{\"state\":\"STARTED\",\"state.v2\":\"STARTED\"}";
                case 2 -> "{\"state\":\"PAUSED\",\"state.v2\":\"PAUSED\"}";
                case 3 -> "{\"state\":\"PAUSED\",\"state.v2\":\"STOPPED\"}";
                case 4 -> "{\"state\":\"PAUSED\"}";
                case 5 -> "{\"state\":\"STARTED\",\"state.v2\":null}";
                case 6 -> "{\"state\":\"STARTED\",\"state.v2\":3}";
                case 7 -> "{\"state\":\"STARTED\",\"state.v2\":\"DANCING\"}";
                default -> "{\"state\":\"STOPPED\"}";
            };
        } else if (key.startsWith("restart-")) {
            return switch (random.nextInt(4)) {
                case 0 -> "{\"include-tasks\":true,\"only-failed\":false}";
                case 1 -> "{\"include-tasks\":false,\"only-failed\":true}";
                case 2 -> "{\"include-tasks\":\"true\"}";
                default -> "{\"only-failed\":true,\"more\":1}";
            };
        } else if (key.startsWith("tasks-fencing-")) {
            return "{\"task-count\":" + n + "}";
        } else if (key.startsWith("session-key")) {
            return switch (random.nextInt(4)) {
                case 0 -> "{\"key\":\"AXr/Rg==\",\"algorithm\":\"HmacSHA256\"}";
                case 1 -> "{\"key\":\"AXr/Rg==\",\"algorithm\":\"HmacSHA256\",\"creation-timestamp\":\"5\"}";
                default -> "{\"key\":\"AXr/Rg==\",\"algorithm\":\"HmacSHA256\",\"creation-timestamp\":17953610681" + n + "}";
            };
        } else {
            return "{\"level\":\"debug\"}";
        }
    }

    static String properties(Random random) {
        String n = "" + random.nextInt(100);
        return switch (random.nextInt(8)) {
            case 0 -> "{\"properties\":{}}";
            case 1 -> "{\"properties\":{\"k\":null,\"n\":\"" + n + "\"}}";
            case 2 -> " {\"properties\" : {\"k\":" + n + ",\"b\":true}, \"more\":1} trailing";
            default -> "{\"properties\":{\"k\":\"" + n + "\"}}";
        };
    }
}
