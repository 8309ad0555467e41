import java.io.File;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.zip.ZipFile;
import org.deeplearning4j.nn.graph.ComputationGraph;
import org.deeplearning4j.nn.modelimport.keras.KerasModelImport;
import org.deeplearning4j.util.ModelSerializer;
import org.nd4j.linalg.api.ndarray.INDArray;
import org.nd4j.linalg.factory.Nd4j;

/**
 * Runs models: `Answers FOLDER NAME...`. For each name, FOLDER/NAME.h5 is imported and saved as NAME.zip if there is
 * one, NAME.zip is restored, computes NAME.in.bin, and writes NAME.out.bin. A failure is a line on stdout.
 *
 * <p>An array is its number of axes and its sizes as int32, then float32 in row-major order, all little-endian. Images
 * are (n, h, w, c) whatever the network takes.
 */
public final class Answers {
  public static void main(String[] arguments) {
    Path folder = Paths.get(arguments[0]);
    for (int i = 1; i < arguments.length; i++) {
      try {
        answer(folder, arguments[i]);
      } catch (Throwable error) {
        System.out.println(arguments[i] + ": " + String.valueOf(error).split("\n")[0]);
      }
    }
    System.exit(0); // threads of the native library would keep the process alive
  }

  private static void answer(Path folder, String name) throws Exception {
    Path source = folder.resolve(name + ".h5");
    File zip = folder.resolve(name + ".zip").toFile();
    if (Files.exists(source)) {
      ComputationGraph imported = KerasModelImport.importKerasModelAndWeights(source.toString(), false);
      ModelSerializer.writeModel(imported, zip, false);
    }
    ComputationGraph model = ModelSerializer.restoreComputationGraph(zip, false);
    boolean channelsLast = configuration(zip).contains("\"NHWC\"");
    INDArray x = read(folder.resolve(name + ".in.bin"));
    if (x.rank() == 4 && !channelsLast) x = x.permute(0, 3, 1, 2).dup('c');
    INDArray y = model.output(x)[0];
    if (y.rank() == 4 && !channelsLast) y = y.permute(0, 2, 3, 1);
    write(y, folder.resolve(name + ".out.bin"));
  }

  private static String configuration(File zip) throws IOException {
    try (ZipFile archive = new ZipFile(zip)) {
      byte[] text = archive.getInputStream(archive.getEntry("configuration.json")).readAllBytes();
      return new String(text, StandardCharsets.UTF_8);
    }
  }

  private static INDArray read(Path path) throws IOException {
    ByteBuffer buffer = ByteBuffer.wrap(Files.readAllBytes(path)).order(ByteOrder.LITTLE_ENDIAN);
    int[] shape = new int[buffer.getInt()];
    for (int i = 0; i < shape.length; i++) shape[i] = buffer.getInt();
    float[] values = new float[buffer.remaining() / 4];
    buffer.asFloatBuffer().get(values);
    return Nd4j.create(values, shape, 'c');
  }

  private static void write(INDArray y, Path path) throws IOException {
    float[] values = y.dup('c').data().asFloat();
    ByteBuffer buffer = ByteBuffer.allocate(4 * (1 + y.rank() + values.length)).order(ByteOrder.LITTLE_ENDIAN);
    buffer.putInt(y.rank());
    for (long size : y.shape()) buffer.putInt((int) size);
    for (float value : values) buffer.putFloat(value);
    Files.write(path, buffer.array());
  }
}
