# What `lambdabuild outputs --format tfvars` writes. Keys that a type does not name are left out.
variable "lambda_images" {
  type = map(object({
    tag_uri      = string
    hash         = string
    architecture = string
    functions    = map(string)
  }))
  description = "Images by name, from lambda_images.auto.tfvars.json."
}

locals {
  # One entry for each function, whatever image serves it.
  functions = merge([
    for image in values(var.lambda_images) : {
      for name, handler in image.functions : name => {
        handler      = handler
        image_uri    = image.tag_uri
        hash         = image.hash
        architecture = image.architecture
      }
    }
  ]...)
}

# Shows in a plan which functions get another image, and nothing else.
resource "terraform_data" "image" {
  for_each = local.functions
  input    = each.value.image_uri
}

output "images" {
  value = { for name, image in terraform_data.image : name => image.output }
}
