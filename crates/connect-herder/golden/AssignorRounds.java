// Makes assignor_rounds.jsonl: rounds of Kafka's own IncrementalCooperativeAssignor in random clusters.
//
// Each line is one cluster's life. Before every round things happen to it (workers come, go, bounce, miss their
// assignment; connectors are made, resized, deleted; the leader changes; time passes); then the assignor is asked, and what
// it said is written down beside what it knew. To make it anew (seed, clusters, rounds), with the jars of connect-runtime
// 4.3.0 in lib/:
//     javac -cp 'lib/*' -d out AssignorRounds.java
//     java -cp 'out:lib/*' org.apache.kafka.connect.runtime.distributed.AssignorRounds 43 90 16 > assignor_rounds.jsonl
package org.apache.kafka.connect.runtime.distributed;

import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Supplier;

import com.fasterxml.jackson.databind.ObjectMapper;

import org.apache.kafka.common.utils.LogContext;
import org.apache.kafka.common.utils.Time;
import org.apache.kafka.connect.runtime.TargetState;
import org.apache.kafka.connect.runtime.distributed.WorkerCoordinator.ConnectorsAndTasks;
import org.apache.kafka.connect.storage.ClusterConfigState;
import org.apache.kafka.connect.util.ConnectorTaskId;

public class AssignorRounds {
    static class Work {
        Set<String> connectors = new LinkedHashSet<>();
        Set<ConnectorTaskId> tasks = new LinkedHashSet<>();

        boolean isEmpty() {
            return connectors.isEmpty() && tasks.isEmpty();
        }

        List<String> names() {
            List<String> all = new ArrayList<>(connectors);
            tasks.forEach(t -> all.add(t.toString()));
            return all;
        }
    }

    static class ManualTime implements Time {
        final AtomicLong now = new AtomicLong(1);

        @Override
        public long milliseconds() {
            return now.get();
        }

        @Override
        public long nanoseconds() {
            return now.get() * 1_000_000;
        }

        @Override
        public void sleep(long ms) {
            now.addAndGet(ms);
        }

        @Override
        public void waitObject(Object obj, Supplier<Boolean> condition, long deadlineMs) {
            throw new UnsupportedOperationException();
        }
    }

    public static void main(String[] args) throws Exception {
        Random random = new Random(Long.parseLong(args[0]));
        int clusters = Integer.parseInt(args[1]);
        int rounds = Integer.parseInt(args[2]);
        ObjectMapper json = new ObjectMapper();
        for (int i = 0; i < clusters; i++) {
            System.out.println(json.writeValueAsString(life(random, rounds)));
        }
    }

    static Map<String, Object> life(Random random, int rounds) {
        int maxDelay = new int[] {0, 40, 1500, 300000, 300000}[random.nextInt(5)];
        ManualTime time = new ManualTime();
        IncrementalCooperativeAssignor assignor = new IncrementalCooperativeAssignor(new LogContext(), time, maxDelay);
        TreeMap<String, Work> members = new TreeMap<>();
        TreeMap<String, Integer> configured = new TreeMap<>();
        int generation = 0;
        int lastCompleted = -1;
        members.put("A", new Work());
        List<Object> log = new ArrayList<>();
        double unrest = random.nextDouble();
        for (int i = 0; i < rounds; i++) {
            boolean forget = random.nextInt(20) == 0;
            if (forget) {
                assignor = new IncrementalCooperativeAssignor(new LogContext(), time, maxDelay);
            }
            if (random.nextDouble() < unrest) {
                happen(random, members, configured);
            }
            time.now.addAndGet(new int[] {0, 7, 40, maxDelay / 3 + 1, maxDelay, maxDelay * 2}[random.nextInt(6)]);
            generation++;

            Map<String, Object> round = new LinkedHashMap<>();
            round.put("now", time.now.get());
            if (forget) {
                round.put("forget", true);
            }
            round.put("generation", generation);
            round.put("completed", lastCompleted);
            round.put("configured", new TreeMap<>(configured));
            Map<String, Object> input = new TreeMap<>();
            members.forEach((m, w) -> input.put(m, w.names()));
            round.put("members", input);

            TreeMap<String, ConnectorsAndTasks> allocations = new TreeMap<>();
            members.forEach((m, w) -> allocations.put(m, new ConnectorsAndTasks.Builder().with(w.connectors, w.tasks).build()));
            IncrementalCooperativeAssignor.ClusterAssignment answer =
                assignor.performTaskAssignment(state(configured), lastCompleted, generation, allocations);

            round.put("delay", assignor.delay);
            Map<String, Object> assigned = new TreeMap<>();
            Map<String, Object> revoked = new TreeMap<>();
            for (String m : members.keySet()) {
                put(assigned, m, answer.newlyAssignedConnectors(m), answer.newlyAssignedTasks(m));
                put(revoked, m, answer.newlyRevokedConnectors(m), answer.newlyRevokedTasks(m));
            }
            round.put("assigned", assigned);
            round.put("revoked", revoked);
            log.add(round);

            if (random.nextInt(10) != 0) {
                lastCompleted = generation;
                for (Map.Entry<String, Work> member : members.entrySet()) {
                    if (random.nextInt(12) != 0) {
                        follow(random, member.getKey(), member.getValue(), answer);
                    }
                }
            }
        }
        Map<String, Object> all = new LinkedHashMap<>();
        all.put("max_delay", maxDelay);
        all.put("rounds", log);
        return all;
    }

    static void put(Map<String, Object> to, String member, Collection<String> connectors, Collection<ConnectorTaskId> tasks) {
        Work work = new Work();
        work.connectors.addAll(connectors);
        work.tasks.addAll(tasks);
        if (!work.isEmpty()) {
            to.put(member, work.names());
        }
    }

    /** What a worker does with its assignment. */
    static void follow(Random random, String m, Work work, IncrementalCooperativeAssignor.ClusterAssignment answer) {
        work.connectors.removeAll(answer.newlyRevokedConnectors(m));
        work.tasks.removeAll(answer.newlyRevokedTasks(m));
        List<String> connectors = new ArrayList<>(answer.newlyAssignedConnectors(m));
        List<ConnectorTaskId> tasks = new ArrayList<>(answer.newlyAssignedTasks(m));
        connectors.addAll(work.connectors);
        tasks.addAll(work.tasks);
        Collections.shuffle(connectors, random);
        work.connectors = new LinkedHashSet<>(connectors);
        work.tasks = new LinkedHashSet<>(tasks);
    }

    static void happen(Random random, TreeMap<String, Work> members, TreeMap<String, Integer> configured) {
        for (int n = random.nextInt(3); n >= 0; n--) {
            String member = "" + (char) ('A' + random.nextInt(6));
            String connector = "c" + random.nextInt(7);
            switch (random.nextInt(10)) {
                case 0, 1, 2 -> members.putIfAbsent(member, new Work());
                case 3 -> {
                    if (members.size() > 1) {
                        members.remove(member);
                    }
                }
                case 4 -> members.computeIfPresent(member, (k, w) -> new Work());
                case 5, 6, 7 -> configured.put(connector, random.nextInt(6));
                case 8 -> configured.remove(connector);
                default -> {
                    // Something runs twice.
                    Work from = members.get(member);
                    if (from != null) {
                        Work to = members.lastEntry().getValue();
                        to.tasks.addAll(new ArrayList<>(from.tasks).subList(0, from.tasks.size() / 2));
                        to.connectors.addAll(new ArrayList<>(from.connectors).subList(0, from.connectors.size() / 2));
                    }
                }
            }
        }
    }

    static ClusterConfigState state(Map<String, Integer> configured) {
        Map<String, Map<String, String>> configs = new HashMap<>();
        Map<String, TargetState> targets = new HashMap<>();
        configured.keySet().forEach(c -> {
            configs.put(c, Map.of());
            targets.put(c, TargetState.STARTED);
        });
        return new ClusterConfigState(1, null, configured, configs, targets, Map.of(), Map.of(), Map.of(), Map.of(), Set.of(), Set.of());
    }
}
