package offboil.hop;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Comparator;
import java.util.stream.Stream;
import org.apache.hop.www.HopServer;

/**
 * A Hop Server that lives no longer than the process that started it: that process holds our stdin, and when it is gone,
 * however it died, the read ends. Then the server ends too and its working folder (first argument) goes with it.
 */
public class OwnedServer {
  public static void main(String[] args) throws Exception {
    Path folder = Path.of(args[0]);
    Thread owner = new Thread(() -> outlive(folder), "owner");
    owner.setDaemon(true);
    owner.start();
    HopServer.main(Arrays.copyOfRange(args, 1, args.length));
  }

  private static void outlive(Path folder) {
    try {
      while (System.in.read() != -1) continue;
    } catch (IOException e) {
      // as good as the end
    }
    try (Stream<Path> files = Files.walk(folder)) {
      files.sorted(Comparator.reverseOrder()).map(Path::toFile).forEach(File::delete);
    } catch (IOException e) {
      // gone already
    }
    Runtime.getRuntime().halt(0);
  }
}
