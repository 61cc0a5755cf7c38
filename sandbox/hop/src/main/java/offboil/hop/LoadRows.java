package offboil.hop;

import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.util.Properties;
import org.apache.hop.core.annotations.Transform;
import org.apache.hop.core.exception.HopException;
import org.apache.hop.metadata.api.HopMetadataProperty;
import org.apache.hop.pipeline.Pipeline;
import org.apache.hop.pipeline.PipelineMeta;
import org.apache.hop.pipeline.transform.BaseTransform;
import org.apache.hop.pipeline.transform.BaseTransformData;
import org.apache.hop.pipeline.transform.BaseTransformMeta;
import org.apache.hop.pipeline.transform.TransformMeta;

/**
 * Loads its rows into a PostgreSQL table (run_id, batch_id, row_nr) over a connection of its own.
 * It ends as the product's Table output does (measured on Hop 2.16.0): a stop commits the open batch; a transactional load
 * is rolled back by a stop or an error and committed only at its own end.
 */
public class LoadRows extends BaseTransform<LoadRows.Meta, LoadRows.Data> {

  public LoadRows(TransformMeta transform, Meta meta, Data data, int copy, PipelineMeta pipelineMeta, Pipeline pipeline) {
    super(transform, meta, data, copy, pipelineMeta, pipeline);
  }

  @Override
  public boolean init() {
    if (!super.init()) return false;
    data.runId = resolve(meta.getRunId());
    data.commitSize = Integer.parseInt(resolve(meta.getCommitSize()));
    data.transactional = "Y".equals(resolve(meta.getTransactional()));
    Properties properties = new Properties();
    properties.setProperty("user", resolve(meta.getUser()));
    properties.setProperty("password", resolve(meta.getPassword()));
    properties.setProperty("ApplicationName", resolve(meta.getApplicationName()));
    try {
      data.connection = DriverManager.getConnection(resolve(meta.getUrl()), properties);
      data.connection.setAutoCommit(false);
      data.insert = data.connection.prepareStatement(
          "insert into " + resolve(meta.getTable()) + " (run_id, batch_id, row_nr) values (?, ?, ?)");
      return true;
    } catch (SQLException e) {
      logError("Could not connect to the database", e);
      setErrors(1);
      return false;
    }
  }

  @Override
  public boolean processRow() throws HopException {
    Object[] row = getRow();
    if (row == null) {
      setOutputDone();
      return false;
    }
    try {
      data.insert.setString(1, data.runId);
      data.insert.setLong(2, data.batch);
      data.insert.setLong(3, (Long) row[0]);
      data.insert.addBatch();
      incrementLinesOutput();
      if (++data.pending >= data.commitSize) flush();
    } catch (SQLException e) {
      logError("Because of an error this transform can't continue", e);
      setErrors(1);
      stopAll();
      setOutputDone();
      return false;
    }
    putRow(getInputRowMeta(), row);
    return true;
  }

  private void flush() throws SQLException {
    data.insert.executeBatch();
    data.pending = 0;
    data.batch++;
    if (!data.transactional) data.connection.commit();
  }

  @Override
  public void dispose() {
    if (data.connection != null) {
      try (Connection connection = data.connection) {
        if (getErrors() > 0 || (data.transactional && isStopped())) {
          connection.rollback();
          logBasic("All transactions were rolled back");
        } else {
          if (data.pending > 0) flush();
          connection.commit();
        }
      } catch (SQLException e) {
        if (getErrors() == 0) {
          logError("The last rows could not be committed", e);
          setErrors(1);
        }
      }
      data.connection = null;
    }
    super.dispose();
  }

  public static class Data extends BaseTransformData {
    Connection connection;
    PreparedStatement insert;
    String runId;
    int commitSize;
    boolean transactional;
    int pending;
    long batch = 1;
  }

  @Transform(id = "OffboilLoadRows", name = "Load rows", description = "Loads rows into PostgreSQL", image = "ui/images/transform.svg", categoryDescription = "Offboil")
  public static class Meta extends BaseTransformMeta<LoadRows, Data> {
    @HopMetadataProperty private String url;
    @HopMetadataProperty private String user;
    @HopMetadataProperty private String password;
    @HopMetadataProperty private String table;
    @HopMetadataProperty private String applicationName;
    @HopMetadataProperty private String runId;
    @HopMetadataProperty private String commitSize = "1000";
    @HopMetadataProperty private String transactional = "N";

    public String getUrl() { return url; }
    public void setUrl(String url) { this.url = url; }
    public String getUser() { return user; }
    public void setUser(String user) { this.user = user; }
    public String getPassword() { return password; }
    public void setPassword(String password) { this.password = password; }
    public String getTable() { return table; }
    public void setTable(String table) { this.table = table; }
    public String getApplicationName() { return applicationName; }
    public void setApplicationName(String applicationName) { this.applicationName = applicationName; }
    public String getRunId() { return runId; }
    public void setRunId(String runId) { this.runId = runId; }
    public String getCommitSize() { return commitSize; }
    public void setCommitSize(String commitSize) { this.commitSize = commitSize; }
    public String getTransactional() { return transactional; }
    public void setTransactional(String transactional) { this.transactional = transactional; }
  }
}
