package offboil.hop;

import java.util.Date;
import org.apache.hop.core.annotations.Transform;
import org.apache.hop.core.exception.HopException;
import org.apache.hop.core.row.IRowMeta;
import org.apache.hop.core.row.RowDataUtil;
import org.apache.hop.core.row.RowMeta;
import org.apache.hop.core.row.value.ValueMetaInteger;
import org.apache.hop.core.variables.IVariables;
import org.apache.hop.metadata.api.HopMetadataProperty;
import org.apache.hop.metadata.api.IHopMetadataProvider;
import org.apache.hop.pipeline.Pipeline;
import org.apache.hop.pipeline.PipelineMeta;
import org.apache.hop.pipeline.transform.BaseTransform;
import org.apache.hop.pipeline.transform.BaseTransformData;
import org.apache.hop.pipeline.transform.BaseTransformMeta;
import org.apache.hop.pipeline.transform.TransformMeta;

/** Produces rows with one field, `row_nr`, until it is stopped or its limit is reached. */
public class EndlessRows extends BaseTransform<EndlessRows.Meta, EndlessRows.Data> {

  public EndlessRows(TransformMeta transform, Meta meta, Data data, int copy, PipelineMeta pipelineMeta, Pipeline pipeline) {
    super(transform, meta, data, copy, pipelineMeta, pipeline);
  }

  @Override
  public boolean processRow() throws HopException {
    if (first) {
      first = false;
      data.rowMeta = new RowMeta();
      meta.getFields(data.rowMeta, getTransformName(), null, null, this, metadataProvider);
      data.limit = Long.parseLong(resolve(meta.getLimit()));
      data.pauseMs = Long.parseLong(resolve(meta.getPauseMs()));
      data.deafMs = Long.parseLong(resolve(meta.getDeafMs()));
      // An old pipeline without the wait: the server's object timeout counts from this date.
      long agoMs = Long.parseLong(resolve(meta.getStartedMinutesAgo())) * 60_000;
      if (agoMs > 0) ((Pipeline) getPipeline()).setExecutionStartDate(new Date(System.currentTimeMillis() - agoMs));
    }
    if (isStopped() || (data.limit > 0 && data.produced >= data.limit)) {
      setOutputDone();
      return false;
    }
    // A deaf sleep stands for a call that no stop interrupts: a database or a file server that does not answer.
    if (data.deafMs > 0) sleep(data.deafMs);
    if (data.pauseMs > 0) sleep(data.pauseMs);
    Object[] row = RowDataUtil.allocateRowData(data.rowMeta.size());
    row[0] = ++data.produced;
    putRow(data.rowMeta, row);
    return true;
  }

  private static void sleep(long ms) {
    long end = System.nanoTime() + ms * 1_000_000;
    for (long left = ms; left > 0; left = (end - System.nanoTime()) / 1_000_000) {
      try {
        Thread.sleep(left);
      } catch (InterruptedException e) {
        // deaf on purpose
      }
    }
  }

  public static class Data extends BaseTransformData {
    IRowMeta rowMeta;
    long produced;
    long limit;
    long pauseMs;
    long deafMs;
  }

  @Transform(id = "OffboilEndlessRows", name = "Endless rows", description = "Rows without end", image = "ui/images/transform.svg", categoryDescription = "Offboil")
  public static class Meta extends BaseTransformMeta<EndlessRows, Data> {
    @HopMetadataProperty private String limit = "0";
    @HopMetadataProperty private String pauseMs = "0";
    @HopMetadataProperty private String deafMs = "0";
    @HopMetadataProperty private String startedMinutesAgo = "0";

    @Override
    public void getFields(IRowMeta row, String origin, IRowMeta[] info, TransformMeta next, IVariables variables, IHopMetadataProvider provider) {
      ValueMetaInteger number = new ValueMetaInteger("row_nr");
      number.setOrigin(origin);
      row.addValueMeta(number);
    }

    public String getLimit() { return limit; }
    public void setLimit(String limit) { this.limit = limit; }
    public String getPauseMs() { return pauseMs; }
    public void setPauseMs(String pauseMs) { this.pauseMs = pauseMs; }
    public String getDeafMs() { return deafMs; }
    public void setDeafMs(String deafMs) { this.deafMs = deafMs; }
    public String getStartedMinutesAgo() { return startedMinutesAgo; }
    public void setStartedMinutesAgo(String startedMinutesAgo) { this.startedMinutesAgo = startedMinutesAgo; }
  }
}
