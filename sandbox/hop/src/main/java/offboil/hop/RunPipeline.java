package offboil.hop;

import org.apache.hop.core.Result;
import org.apache.hop.core.annotations.Action;
import org.apache.hop.core.exception.HopException;
import org.apache.hop.metadata.api.HopMetadataProperty;
import org.apache.hop.pipeline.PipelineMeta;
import org.apache.hop.pipeline.engine.IPipelineEngine;
import org.apache.hop.pipeline.engine.PipelineEngineFactory;
import org.apache.hop.workflow.action.ActionBase;
import org.apache.hop.workflow.action.IAction;

/** Runs a pipeline file as a child, as the product's own action does: it is stopped with its parent only while that waits for it. */
@Action(id = "OFFBOIL_RUN_PIPELINE", name = "Run pipeline", description = "Runs a pipeline", image = "ui/images/transform.svg", categoryDescription = "Offboil")
public class RunPipeline extends ActionBase implements IAction {
  @HopMetadataProperty private String filename;
  @HopMetadataProperty private String runConfiguration;
  @HopMetadataProperty private String waitUntilFinished = "Y";

  public RunPipeline() {
    super("", "");
  }

  @Override
  public Result execute(Result result, int nr) throws HopException {
    PipelineMeta pipelineMeta = new PipelineMeta(resolve(filename), getMetadataProvider(), this);
    IPipelineEngine<PipelineMeta> pipeline =
        PipelineEngineFactory.createPipelineEngine(this, resolve(runConfiguration), getMetadataProvider(), pipelineMeta);
    pipeline.setParent(this);
    pipeline.setParentWorkflow(parentWorkflow);
    pipeline.setLogLevel(getLogLevel());
    pipeline.execute();
    result.setResult(true);
    if (!"Y".equals(waitUntilFinished)) return result;

    while (!pipeline.isFinished() && !parentWorkflow.isStopped()) pause();
    if (parentWorkflow.isStopped()) pipeline.stopAll();
    pipeline.waitUntilFinished();
    result.setNrErrors(pipeline.getErrors());
    result.setResult(pipeline.getErrors() == 0);
    return result;
  }

  private static void pause() {
    try {
      Thread.sleep(50);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  @Override
  public boolean isEvaluation() {
    return true;
  }

  @Override
  public boolean isUnconditional() {
    return false;
  }

  @Override
  public String getFilename() { return filename; }
  public void setFilename(String filename) { this.filename = filename; }
  public String getRunConfiguration() { return runConfiguration; }
  public void setRunConfiguration(String runConfiguration) { this.runConfiguration = runConfiguration; }
  public String getWaitUntilFinished() { return waitUntilFinished; }
  public void setWaitUntilFinished(String waitUntilFinished) { this.waitUntilFinished = waitUntilFinished; }
}
