import java.io.*;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.sql.*;
import java.util.*;
import org.postgresql.PGConnection;
import org.postgresql.largeobject.*;

/** The JDBC driver, driven by lines on stdin: `WHAT FORM URL`. Prints what it was told, then a line with a dot. */
public class Jdbc {
  static final PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
  static final Object[][] READS = {
    {"SELECT * FROM shop WHERE id = ?", 7},
    {"SELECT * FROM shop WHERE id = ?", 100000},
    {"SELECT name, price, big FROM shop WHERE id IN (?, ?) ORDER BY id", 3, 5},
    {"SELECT count(*), sum(price), max(big) FROM shop WHERE price > ?", new BigDecimal("100.00")},
    {"SELECT id, tags, data, raw FROM shop ORDER BY id LIMIT 20"},
    {"SELECT a.id FROM shop a JOIN shop b ON b.id = a.id + 1 WHERE a.id < ? ORDER BY 1", 9},
    {"SELECT name AS \"Ünïcode\" FROM shop WHERE name = ?", "thing 11"},
  };
  /** How the driver is told which protocol to use. */
  static final Map<String, String> FORMS = Map.of(
      "simple", "preferQueryMode=simple", "unnamed", "prepareThreshold=0", "prepared", "prepareThreshold=1");

  static String text(Object value) {
    if (value instanceof byte[] bytes) return HexFormat.of().formatHex(bytes);
    return String.valueOf(value);
  }

  static void show(ResultSet rows) throws SQLException {
    ResultSetMetaData meta = rows.getMetaData();
    StringBuilder line = new StringBuilder();
    for (int i = 1; i <= meta.getColumnCount(); i++)
      line.append(meta.getColumnLabel(i)).append(':').append(meta.getColumnTypeName(i)).append(' ');
    out.println(line);
    while (rows.next()) {
      line.setLength(0);
      for (int i = 1; i <= meta.getColumnCount(); i++) line.append(text(rows.getObject(i))).append('|');
      out.println(line);
    }
  }

  static void attempt(Connection connection, String sql, Object... values) {
    try (PreparedStatement statement = connection.prepareStatement(sql)) {
      for (int i = 0; i < values.length; i++) statement.setObject(i + 1, values[i]);
      boolean isRows = statement.execute();
      for (SQLWarning each = statement.getWarnings(); each != null; each = each.getNextWarning())
        out.println("warning " + each.getSQLState() + " " + each.getMessage());
      while (isRows || statement.getUpdateCount() >= 0) {
        if (isRows) show(statement.getResultSet());
        else out.println("count " + statement.getUpdateCount());
        isRows = statement.getMoreResults();
      }
    } catch (SQLException error) {
      out.println(error.getSQLState() + " " + error.getMessage());
    }
  }

  static void reads(Connection connection) throws SQLException {
    for (Object[] read : READS) {
      try (PreparedStatement statement = connection.prepareStatement((String) read[0])) {
        for (int i = 1; i < read.length; i++) statement.setObject(i, read[i]);
        for (int pass = 0; pass < 2; pass++) show(statement.executeQuery());
      }
    }
  }

  /** Units of work that only read: two to warm up, and two between marks that whoever watches the server can find. */
  static void units(Connection connection) throws SQLException {
    for (int unit = 0; unit < 4; unit++) {
      if (unit == 2) attempt(connection, "SELECT 'units begin'");
      connection.setAutoCommit(false);
      reads(connection);
      connection.commit();
      connection.setAutoCommit(true);
    }
    attempt(connection, "SELECT 'units end'");
  }

  static void transactions(Connection connection) throws SQLException {
    connection.setAutoCommit(false);
    attempt(connection, "INSERT INTO log (line) VALUES (?) RETURNING id, line", "one");
    Savepoint savepoint = connection.setSavepoint();
    attempt(connection, "SELECT 1 / (id - 5) FROM shop WHERE id = 5");
    attempt(connection, "SELECT 2");
    connection.rollback(savepoint);
    attempt(connection, "SELECT count(*) FROM log");
    connection.commit();
    try (PreparedStatement batch = connection.prepareStatement("INSERT INTO log (line) VALUES (?)")) {
      for (int i = 0; i < 300; i++) {
        batch.setString(1, "line " + i);
        batch.addBatch();
      }
      out.println("batch " + Arrays.stream(batch.executeBatch()).sum());
    }
    connection.rollback();
    try (PreparedStatement cursor = connection.prepareStatement("SELECT id FROM shop ORDER BY id")) {
      cursor.setFetchSize(7);
      show(cursor.executeQuery());
    }
    connection.commit();
    connection.setTransactionIsolation(Connection.TRANSACTION_REPEATABLE_READ);
    attempt(connection, "SHOW transaction_isolation");
    connection.rollback();
    connection.setTransactionIsolation(Connection.TRANSACTION_READ_COMMITTED);
    connection.setReadOnly(true);
    attempt(connection, "INSERT INTO log (line) VALUES ('not here')");
    connection.rollback();
    connection.setReadOnly(false);
    connection.setAutoCommit(true);
    String insert = "INSERT INTO log (line) VALUES ('generated')";
    try (PreparedStatement keys = connection.prepareStatement(insert, Statement.RETURN_GENERATED_KEYS)) {
      keys.executeUpdate();
      try (ResultSet made = keys.getGeneratedKeys()) {
        out.println("generated " + made.next());
      }
    }
  }

  static void bulk(Connection connection) throws Exception {
    var copies = connection.unwrap(PGConnection.class).getCopyAPI();
    out.println(copies.copyIn("COPY log (line) FROM STDIN", new StringReader("first\nsecond\n".repeat(500))));
    StringWriter target = new StringWriter();
    out.println(copies.copyOut("COPY (SELECT line FROM log ORDER BY line) TO STDOUT", target));
    out.println(target.toString().length());
    try {
      copies.copyIn("COPY shop (id) FROM STDIN", new StringReader("not a number\n"));
    } catch (SQLException error) {
      out.println(error.getSQLState());
    }
    connection.setAutoCommit(false);
    LargeObjectManager manager = connection.unwrap(PGConnection.class).getLargeObjectAPI();
    long oid = manager.createLO();
    try (LargeObject large = manager.open(oid)) {
      large.write(new byte[100_000]);
      large.seek(5);
      out.println(large.read(200_000).length);
    }
    manager.delete(oid);
    connection.commit();
    connection.setAutoCommit(true);
  }

  static void cancelSoon(Statement statement) {
    try {
      Thread.sleep(200);
      statement.cancel();
    } catch (Exception error) {
      out.println(error);
    }
  }

  static void signals(Connection connection) throws Exception {
    attempt(connection, "LISTEN news");
    attempt(connection, "NOTIFY news, 'hello'");
    for (var each : connection.unwrap(PGConnection.class).getNotifications(10_000))
      out.println(each.getName() + " " + each.getParameter());
    try (Statement slow = connection.createStatement()) {
      var canceller = new Thread(() -> cancelSoon(slow));
      canceller.start();
      slow.execute("SELECT pg_sleep(30)");
      canceller.join();
    } catch (SQLException error) {
      out.println(error.getSQLState());
    }
    attempt(connection, "SELECT 'after the cancel'");
  }

  static void mixed(Connection connection, String setup) throws Exception {
    try (Statement statement = connection.createStatement()) {
      statement.execute(Files.readString(Path.of(setup)));
    }
    transactions(connection);
    bulk(connection);
    for (String sql : List.of("SELEC 1", "SELECT * FROM nowhere", "SELECT 1; SELECT 2; SELECT 3", "SELECT fail(1)",
        "SET TimeZone = 'Asia/Tokyo'", "SELECT at::text FROM shop WHERE id = 1", "DISCARD ALL",
        "SELECT at::text FROM shop WHERE id = 1")) attempt(connection, sql);
    DatabaseMetaData meta = connection.getMetaData();
    try (ResultSet columns = meta.getColumns(null, "public", "shop", "%")) {
      while (columns.next()) out.println(columns.getString("COLUMN_NAME") + " " + columns.getString("TYPE_NAME"));
    }
    signals(connection);
  }

  public static void main(String[] arguments) throws Exception {
    var lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = lines.readLine(); line != null; line = lines.readLine()) {
      String[] parts = line.split(" ", 3);
      try (Connection connection = DriverManager.getConnection(parts[2] + "&" + FORMS.get(parts[1]))) {
        if (parts[0].equals("mixed")) mixed(connection, arguments[0]);
        else if (parts[0].equals("units")) units(connection);
        else reads(connection);
      }
      out.println(".");
    }
  }
}
