import jakarta.servlet.http.HttpServlet;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import org.apache.catalina.Context;
import org.apache.catalina.connector.Connector;
import org.apache.catalina.startup.Tomcat;

/** Answers every request with 204 and its X-Request-Id, and notes that. */
public class Answer extends HttpServlet {
    private final transient FileOutputStream requests;

    Answer(String directory) throws IOException {
        requests = new FileOutputStream(directory + "/requests.log", true);
    }

    @Override
    protected void service(HttpServletRequest request, HttpServletResponse response) throws IOException {
        request.getInputStream().transferTo(OutputStream.nullOutputStream());
        String id = request.getHeader("X-Request-Id");
        if (id != null) {
            requests.write(("id " + id + "\n").getBytes(StandardCharsets.UTF_8));
            response.setHeader("X-Request-Id", id);
        }
        response.setStatus(204);
    }

    public static void main(String[] arguments) throws Exception {
        String directory = arguments[0];
        Connector connector = new Connector();
        connector.setProperty("address", arguments[1]);
        connector.setPort(Integer.parseInt(arguments[2]));
        connector.setProperty("acceptCount", "1024");
        if (!arguments[3].equals("0")) {
            connector.setProperty("keepAliveTimeout", arguments[3]);
        }
        connector.setProperty("maxKeepAliveRequests", arguments[4].equals("0") ? "-1" : arguments[4]);
        Tomcat tomcat = new Tomcat();
        tomcat.setBaseDir(directory);
        tomcat.setConnector(connector);
        Context context = tomcat.addContext("", directory);
        Tomcat.addServlet(context, "answer", new Answer(directory));
        context.addServletMappingDecoded("/", "answer");
        tomcat.start();
        tomcat.getServer().await();
    }
}
