import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.util.HashSet;
import java.util.Set;
import java.util.logging.Handler;
import java.util.logging.Level;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Get URL REQUESTS: one HttpClient, whose own log tells of each answer from which local
 * port its connection is.
 */
public final class Get {
    private static final Pattern PORT = Pattern.compile("^RESPONSE: .*Local port: *(\\d+)");

    /** Counts what the client logs. */
    private static final class Counter extends Handler {
        final Set<String> ports = new HashSet<>();
        int answers;

        @Override public synchronized void publish(LogRecord entry) {
            Matcher found = PORT.matcher(entry.getMessage());
            if (found.find()) {
                answers += 1;
                ports.add(found.group(1));
            }
        }

        @Override public void flush() {}

        @Override public void close() {}
    }

    public static void main(String[] words) throws Exception {
        System.setProperty("jdk.httpclient.HttpClient.log", "requests");
        Logger log = Logger.getLogger("jdk.httpclient.HttpClient");
        Counter counter = new Counter();
        counter.setLevel(Level.ALL);
        log.setUseParentHandlers(false);
        log.setLevel(Level.ALL);
        log.addHandler(counter);
        HttpClient client = HttpClient.newHttpClient();
        URI target = URI.create(words[0] + "/ticker/latest");
        for (int n = 0; n < Integer.parseInt(words[1]); n++) {
            client.send(HttpRequest.newBuilder(target).build(), BodyHandlers.ofString());
        }
        System.out.printf(
            "{\"requests\": %d, \"connections\": %d}%n",
            counter.answers, counter.ports.size());
    }
}
