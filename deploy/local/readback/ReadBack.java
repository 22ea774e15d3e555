// ReadBack reads whole topics with Kafka's plain consumer, read_committed, and
// decodes every key and value with Connect's own converters: what it can read, any
// Connect sink can. One JSON object a record on standard output, then one with the
// counts; exit 1 when anything could not be decoded, is missing, or time ran out.
//
// Started from its source by `go run ./deploy/local readback`, arguments name=value.

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.FileOutputStream;
import java.io.FileDescriptor;
import java.io.FileReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.PartitionInfo;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.connect.converters.ByteArrayConverter;
import org.apache.kafka.connect.data.SchemaAndValue;
import org.apache.kafka.connect.json.JsonConverter;
import org.apache.kafka.connect.storage.Converter;
import org.apache.kafka.connect.storage.StringConverter;

public final class ReadBack {
    private final Map<String, String> args;
    private final ObjectMapper mapper = new ObjectMapper();
    private final JsonConverter printer = new JsonConverter();
    private final PrintStream out =
            new PrintStream(new FileOutputStream(FileDescriptor.out), false, StandardCharsets.UTF_8);
    private final Converter keys;
    private final Converter values;
    private final Map<String, Long> counts = new TreeMap<>();
    private long records, tombstones, failures;

    private ReadBack(Map<String, String> args) throws Exception {
        this.args = args;
        keys = converter(args.get("keys"), true);
        values = converter(args.get("format"), false);
        printer.configure(Map.of("schemas.enable", "false", "decimal.format", "NUMERIC"), false);
    }

    public static void main(String[] argv) throws Exception {
        Map<String, String> args = new HashMap<>();
        for (String a : argv) {
            int eq = a.indexOf('=');
            args.put(a.substring(0, eq), a.substring(eq + 1));
        }
        System.exit(new ReadBack(args).run() ? 0 : 1);
    }

    private Converter converter(String format, boolean isKey) throws Exception {
        Map<String, String> conf = new HashMap<>();
        Converter c;
        switch (format) {
            case "json":
                conf.put("schemas.enable", args.get("schemas"));
                c = new JsonConverter();
                break;
            case "string":
                c = new StringConverter();
                break;
            case "bytes":
                c = new ByteArrayConverter();
                break;
            case "avro":
                conf.put("apicurio.registry.url", args.get("registry"));
                conf.put("apicurio.registry.as-confluent", "true");
                conf.put("apicurio.registry.use-id", "contentId");
                conf.put("apicurio.registry.headers.enabled", "false");
                c = (Converter) Class.forName("io.apicurio.registry.utils.converter.AvroConverter")
                        .getDeclaredConstructor().newInstance();
                break;
            default:
                throw new IllegalArgumentException("unknown format");
        }
        c.configure(conf, isKey);
        return c;
    }

    private Properties consumerConfig() throws Exception {
        Properties p = new Properties();
        if (!args.get("client").isEmpty()) {
            try (FileReader r = new FileReader(args.get("client"), StandardCharsets.UTF_8)) {
                p.load(r);
            }
        }
        p.put("bootstrap.servers", args.get("brokers"));
        p.put("isolation.level", "read_committed");
        p.put("enable.auto.commit", "false");
        p.put("auto.offset.reset", "earliest");
        p.put("allow.auto.create.topics", "false");
        p.put("key.deserializer", ByteArrayDeserializer.class.getName());
        p.put("value.deserializer", ByteArrayDeserializer.class.getName());
        return p;
    }

    /** Reads every partition to the last stable offset of the moment it began. */
    private boolean run() throws Exception {
        long deadline = System.currentTimeMillis() + Long.parseLong(args.get("timeout_ms"));
        String stopped = "";
        try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(consumerConfig())) {
            List<TopicPartition> partitions = new ArrayList<>();
            for (String topic : args.get("topics").split(",")) {
                List<PartitionInfo> found = consumer.partitionsFor(topic);
                if (found == null || found.isEmpty()) {
                    stopped = "unknown topic " + topic;
                    continue;
                }
                counts.put(topic, 0L);
                found.forEach(i -> partitions.add(new TopicPartition(topic, i.partition())));
            }
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            Map<TopicPartition, Long> end = consumer.endOffsets(partitions);
            while (behind(consumer, end)) {
                if (System.currentTimeMillis() > deadline) {
                    stopped = "time ran out";
                    break;
                }
                for (ConsumerRecord<byte[], byte[]> r : consumer.poll(Duration.ofMillis(200))) {
                    if (r.offset() < end.get(new TopicPartition(r.topic(), r.partition()))) {
                        print(r);
                    }
                }
            }
        }
        return summary(stopped);
    }

    private static boolean behind(KafkaConsumer<byte[], byte[]> c, Map<TopicPartition, Long> end) {
        return end.entrySet().stream().anyMatch(e -> c.position(e.getKey()) < e.getValue());
    }

    private void print(ConsumerRecord<byte[], byte[]> r) throws Exception {
        records++;
        counts.merge(r.topic(), 1L, Long::sum);
        if (r.value() == null) {
            tombstones++;
        }
        ObjectNode line = mapper.createObjectNode();
        line.put("topic", r.topic()).put("partition", r.partition()).put("offset", r.offset())
                .put("timestamp", r.timestamp());
        boolean ok = decode(line, "key", keys, r.topic(), r.key());
        ok &= decode(line, "value", values, r.topic(), r.value());
        if (!ok) {
            failures++;
        }
        ObjectNode headers = line.putObject("headers");
        for (Header h : r.headers()) {
            headers.put(h.key(), h.value() == null ? null : HexFormat.of().formatHex(h.value()));
        }
        out.println(mapper.writeValueAsString(line));
    }

    private boolean decode(ObjectNode line, String side, Converter c, String topic, byte[] bytes) {
        try {
            SchemaAndValue v = c.toConnectData(topic, bytes);
            if (v.schema() != null && v.schema().name() != null) {
                line.put(side + "_schema", v.schema().name());
            }
            byte[] json = v.value() == null ? null : printer.fromConnectData(topic, v.schema(), v.value());
            JsonNode tree = json == null ? null : mapper.readTree(json);
            line.set(side, tree);
            return true;
        } catch (Exception | LinkageError e) {
            StringBuilder why = new StringBuilder();
            for (Throwable t = e; t != null && why.length() < 800; t = t.getCause()) {
                why.append(why.length() == 0 ? "" : " < ").append(t);
            }
            line.put(side + "_error", why.toString());
            return false;
        }
    }

    private boolean summary(String stopped) throws Exception {
        long minimum = Long.parseLong(args.get("min"));
        if (stopped.isEmpty() && records < minimum) {
            stopped = "fewer records than " + minimum;
        }
        boolean ok = failures == 0 && stopped.isEmpty();
        ObjectNode s = mapper.createObjectNode();
        s.put("ok", ok).put("records", records).put("tombstones", tombstones).put("failures", failures);
        if (!stopped.isEmpty()) {
            s.put("stopped", stopped);
        }
        ObjectNode topics = s.putObject("topics");
        counts.forEach(topics::put);
        out.println(mapper.writeValueAsString(s));
        out.flush();
        return ok;
    }
}
