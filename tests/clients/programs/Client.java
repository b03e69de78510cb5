// A client with java.net.http: java Client URL SCENARIO...
//
// CA names a certificate to trust, TOKEN is sent with each request.

import java.io.ByteArrayOutputStream;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.PipedInputStream;
import java.io.PipedOutputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublisher;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.zip.GZIPOutputStream;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

public class Client {
    static final String TOKEN = System.getenv("TOKEN");
    static final String JSON = "application/json", NDJSON = "application/x-ndjson";
    static String base;
    static HttpClient http;

    // docs: submit
    /** Sends an order until it has an outcome, which it returns. Its id makes that safe. */
    static String submit(HttpClient http, HttpRequest order) throws Exception {
        long pause = 100;
        for (int attempt = 0; attempt < 20; attempt++) {
            long wait = pause;
            try {
                var reply = http.send(order, BodyHandlers.ofString());
                switch (reply.statusCode()) {
                    case 200, 201, 422:
                        return reply.body();
                    case 429, 503:
                        wait = 1000 * reply.headers().firstValueAsLong("Retry-After").orElse(1);
                        break;
                    case 202:
                        break; // taken: asked again, the service waits for the outcome
                    default:
                        throw new IllegalStateException(reply.body());
                }
            } catch (IOException broken) {
                // Taken or not: sent again, it is the same order.
            }
            Thread.sleep(wait);
            pause = Math.min(2 * pause, 3000);
        }
        throw new IllegalStateException("no outcome");
    }
    // docs: end

    static HttpRequest.Builder to(String path) {
        var request = HttpRequest.newBuilder(URI.create(base + path)).timeout(Duration.ofSeconds(100));
        return TOKEN == null ? request : request.header("Authorization", "Bearer " + TOKEN);
    }

    static HttpRequest.Builder post(String type, BodyPublisher body) {
        return to("/submit").header("Content-Type", type).POST(body);
    }

    static HttpRequest.Builder post(String order) {
        return post(JSON, BodyPublishers.ofString(order));
    }

    static HttpResponse<String> send(HttpRequest.Builder request) throws Exception {
        return http.send(request.build(), BodyHandlers.ofString());
    }

    static void check(boolean holds, Object what) {
        if (!holds) {
            throw new AssertionError(what);
        }
    }

    static void is(HttpResponse<String> reply, int status, String type, String part) {
        var found = reply.headers().firstValue("Content-Type").orElse("");
        boolean holds = reply.statusCode() == status && found.equals(type) && reply.body().contains(part);
        check(holds, reply + " " + reply.headers().map() + reply.body());
    }

    static void submits(String id) throws Exception {
        var order = post("{\"id\":\"" + id + "\",\"value\":\"100.50\"}").build();
        var outcome = submit(http, order);
        check(outcome.startsWith("{\"id\":\"" + id + "\",\"status\":\"processed\",\"seq\":"), outcome);
    }

    static void order() throws Exception {
        is(send(post("{\"id\":\"one\",\"value\":100.50}")), 201, JSON, "\"status\":\"processed\"");
    }

    static void duplicate() throws Exception {
        var request = post("{\"value\":\"7\"}").header("Idempotency-Key", "key-1");
        is(send(request), 201, JSON, "key-1");
        var again = send(request);
        is(again, 200, JSON, "\"duplicate\":true");
        check(again.headers().firstValue("Idempotent-Replayed").orElse("").equals("true"), again);
    }

    static void invalid() throws Exception {
        var reply = send(post("{\"id\":\"no-value\"}"));
        is(reply, 400, "application/problem+json", "\"type\":\"/problems/invalid-order\"");
        check(reply.body().contains("\"retry_safe\":false"), reply.body());
    }

    static String orders(String name, int from, int to) {
        return IntStream.range(from, to)
            .mapToObj(i -> "{\"id\":\"" + name + "-" + i + "\",\"value\":" + (i + 1) + "}\n")
            .collect(Collectors.joining());
    }

    static void results(HttpResponse<String> reply, int count) {
        is(reply, 200, NDJSON, "processed");
        check(reply.body().split("\"status\":\"processed\"").length == count + 1, reply.body());
    }

    static void stream() throws Exception {
        var write = new PipedOutputStream();
        var read = new PipedInputStream(write);
        var writer = new Thread(() -> {
            try (write) {
                for (int i = 0; i < 2000; i += 50) {
                    write.write(orders("s", i, i + 50).getBytes());
                    write.flush();
                }
            } catch (IOException error) {
                throw new AssertionError(error);
            }
        });
        writer.start();
        results(send(post(NDJSON, BodyPublishers.ofInputStream(() -> read))), 2000);
        writer.join();
    }

    static void gzip() throws Exception {
        var body = new ByteArrayOutputStream();
        try (var encoder = new GZIPOutputStream(body)) {
            encoder.write(orders("z", 0, 500).getBytes());
        }
        var request = post(NDJSON, BodyPublishers.ofByteArray(body.toByteArray()));
        results(send(request.header("Content-Encoding", "gzip")), 500);
    }

    static long after = 0;

    static List<String> page(int wait) throws Exception {
        var reply = send(to("/orders?after=" + after + "&wait=" + wait));
        check(reply.statusCode() == 200, reply);
        check(reply.headers().firstValue("Orders-Ledger-Id").orElse("").length() == 32, reply);
        var lines = new ArrayList<String>();
        Matcher seqs = Pattern.compile("(?m)^\\{\"seq\":(\\d+),.*$").matcher(reply.body());
        while (seqs.find()) {
            check(Long.parseLong(seqs.group(1)) == ++after, seqs.group());
            lines.add(seqs.group());
        }
        return lines;
    }

    static void feed() throws Exception {
        while (!page(0).isEmpty()) { }
        var waited = new CompletableFuture<List<String>>();
        new Thread(() -> {
            try {
                waited.complete(page(60));
            } catch (Exception error) {
                waited.completeExceptionally(error);
            }
        }).start();
        Thread.sleep(100); // most likely it waits by now
        submits("awaited");
        var lines = waited.get();
        check(lines.size() == 1 && lines.get(0).contains("\"id\":\"awaited\""), lines);
    }

    static void head() throws Exception {
        var reply = send(to("/openapi.json").method("HEAD", BodyPublishers.noBody()));
        var length = reply.headers().firstValueAsLong("Content-Length").orElse(0);
        check(reply.statusCode() == 200 && length > 1000 && reply.body().isEmpty(), reply);
        reply = send(to("/submit").method("OPTIONS", BodyPublishers.noBody()));
        is(reply, 405, "application/problem+json", "method");
        check(reply.headers().firstValue("Allow").orElse("").equals("POST"), reply);
    }

    /**
     * It sends no body before the interim reply, however long that takes. With another reply than
     * that it waits for good before Java 19, whoever sends it.
     */
    static void expect() throws Exception {
        var large = new ArrayList<>(List.of(30_000, 40_000));
        if (Runtime.version().feature() >= 19) {
            large.add(1, 200_000);
        }
        for (int size : large) {
            var order = "{\"id\":\"x-" + size + "\",\"value\":1,\"p\":\"" + "p".repeat(size) + "\"}";
            var reply = send(post(order).expectContinue(true));
            check(reply.statusCode() == (size > 65_536 ? 413 : 201), reply);
        }
    }

    static void reuse() throws Exception {
        for (int i = 0; i < 1000; i++) {
            is(send(post("{\"id\":\"r-" + i + "\",\"value\":1}")), 201, JSON, "processed");
        }
    }

    /** An order on a connection that was closed meanwhile, then some that may cross with its end. */
    static void idle() throws Exception {
        long timeout = Long.parseLong(System.getenv("IDLE_TIMEOUT").replace("ms", ""));
        for (int i = 0; i < 2; i++) {
            is(send(post("{\"id\":\"i-" + i + "\",\"value\":1}")), 201, JSON, "processed");
            Thread.sleep(4 * timeout);
        }
        for (int i = 2; i < 7; i++) {
            submits("i-" + i);
            Thread.sleep(timeout);
        }
    }

    static void retries() throws Exception {
        for (int i = 0; i < 2; i++) {
            submits("q-" + i);
        }
    }

    static void together() throws Exception {
        var done = IntStream.range(0, 6).mapToObj(i -> {
            var submitted = new CompletableFuture<Void>();
            new Thread(() -> {
                try {
                    submits("t-" + i);
                    submitted.complete(null);
                } catch (Exception error) {
                    submitted.completeExceptionally(error);
                }
            }).start();
            return submitted;
        }).collect(Collectors.toList());
        for (var submitted : done) {
            submitted.get();
        }
    }

    static void restart() throws Exception {
        for (int i = 0; i < 300; i++) {
            if (i == 100) {
                System.out.println("restart");
            }
            submits("a-" + i);
        }
    }

    static SSLContext trusting(String path) throws Exception {
        var store = KeyStore.getInstance(KeyStore.getDefaultType());
        store.load(null);
        try (var pem = new FileInputStream(path)) {
            store.setCertificateEntry("ca", CertificateFactory.getInstance("X.509").generateCertificate(pem));
        }
        var managers = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        managers.init(store);
        var context = SSLContext.getInstance("TLS");
        context.init(null, managers.getTrustManagers(), null);
        return context;
    }

    public static void main(String[] args) throws Exception {
        base = args[0];
        var builder = HttpClient.newBuilder();
        if (System.getenv("CA") != null) {
            builder.sslContext(trusting(System.getenv("CA")));
        }
        http = builder.build();
        for (int i = 1; i < args.length; i++) {
            Client.class.getDeclaredMethod(args[i]).invoke(null);
            System.out.println("ok " + args[i]);
        }
        System.exit(0); // its threads would wait on
    }
}
