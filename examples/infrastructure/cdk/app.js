import * as cdk from "aws-cdk-lib";
import * as lambda from "aws-cdk-lib/aws-lambda";

/** The code of a function whose image is in a registry already: no asset, no Docker. */
class ImageCode extends lambda.Code {
  isInline = false;

  constructor(uri, handler) {
    super();
    this.image = { imageUri: uri, cmd: [handler] };
  }

  bind() {
    return { image: this.image };
  }
}

class Functions extends cdk.Stack {
  constructor(scope, id, images) {
    super(scope, id);
    for (const image of Object.values(images)) {
      for (const [name, handler] of Object.entries(image.functions)) {
        new lambda.Function(this, name, {
          functionName: name,
          code: new ImageCode(image.tag_uri, handler),
          handler: lambda.Handler.FROM_IMAGE,
          runtime: lambda.Runtime.FROM_IMAGE,
          architecture: image.architecture === "arm64" ? lambda.Architecture.ARM_64 : lambda.Architecture.X86_64,
        });
      }
    }
  }
}

const app = new cdk.App();
// lambdabuild outputs --format cdk-context --output cdk.context.json
const images = app.node.tryGetContext("lambdabuild:images");
if (!images) {
  throw new Error("cdk.context.json has no lambdabuild:images");
}
new Functions(app, "Receipts", images);
