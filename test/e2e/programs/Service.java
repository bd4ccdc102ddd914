import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;

/**
 * A Java service: a pool, a producer and a consumer, a scheduler, a table, code that is compiled as
 * it runs. Asked as fixtures are.
 */
public class Service {
    static final int SIZE = 200_000;
    static final AtomicLong ticks = new AtomicLong();
    static final AtomicLong consumed = new AtomicLong();
    static volatile String disorder = "";

    static void produce(BlockingQueue<Long> queue) {
        try {
            for (long n = 0; ; n++) queue.put(n);
        } catch (InterruptedException end) {
            Thread.currentThread().interrupt();
        }
    }

    static void consume(BlockingQueue<Long> queue) {
        try {
            for (long n = 0; ; n++) {
                if (queue.take() != n) disorder = "the queue is out of order at " + n;
                consumed.incrementAndGet();
                if (n % 100 == 0) Thread.sleep(1);
            }
        } catch (InterruptedException end) {
            Thread.currentThread().interrupt();
        }
    }

    static boolean moves(AtomicLong value) throws InterruptedException {
        long before = value.get();
        for (int i = 0; i < 500; i++) {
            if (value.get() > before) return true;
            Thread.sleep(5);
        }
        return false;
    }

    static int fibonacci(int n) {
        return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
    }

    static void daemon(Runnable work) {
        Thread thread = new Thread(work);
        thread.setDaemon(true);
        thread.start();
    }

    static List<String> check(ExecutorService pool, Map<Integer, String> table) throws Exception {
        List<String> faults = new ArrayList<>();
        if (!moves(ticks) || !moves(consumed)) faults.add("something stands still");
        if (!disorder.isEmpty()) faults.add(disorder);
        List<Callable<Integer>> tasks = new ArrayList<>();
        for (int i = 0; i < 8; i++) tasks.add(() -> fibonacci(22));
        for (var result : pool.invokeAll(tasks)) {
            if (result.get(5, TimeUnit.SECONDS) != 17711) faults.add("the pool computes wrongly");
        }
        System.gc();
        for (int i = 0; i < SIZE; i++) {
            if (!table.get(i).equals("entry " + i)) faults.add("entry " + i + " is wrong");
        }
        return faults;
    }

    static void publish(Path file, String text) throws Exception {
        Path draft = file.resolveSibling(file.getFileName() + ".draft");
        Files.writeString(draft, text);
        Files.move(draft, file, StandardCopyOption.ATOMIC_MOVE);
    }

    public static void main(String[] args) throws Exception {
        Path state = Path.of(args[0]);
        Map<Integer, String> table = new HashMap<>();
        for (int i = 0; i < SIZE; i++) table.put(i, "entry " + i);
        BlockingQueue<Long> queue = new ArrayBlockingQueue<>(64);
        daemon(() -> produce(queue));
        daemon(() -> consume(queue));
        ExecutorService pool = Executors.newFixedThreadPool(4);
        Executors.newScheduledThreadPool(1)
                .scheduleAtFixedRate(ticks::incrementAndGet, 0, 2, TimeUnit.MILLISECONDS);
        publish(state.resolve("ready"), "ready\n");
        for (int round = 1; ; Thread.sleep(5)) {
            if (!Files.exists(state.resolve("check." + round))) continue;
            List<String> faults = check(pool, table);
            String answer = faults.isEmpty() ? "ok " + ticks : "FAIL\n" + String.join("\n", faults);
            publish(state.resolve("result." + round++), answer);
        }
    }
}
