terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0"
    }
  }
}

variable "role_arn" {
  type        = string
  description = "The role that the functions run as."
}

resource "aws_lambda_function" "function" {
  for_each = local.functions

  function_name = each.key
  role          = var.role_arn
  package_type  = "Image"
  image_uri     = each.value.image_uri
  architectures = [each.value.architecture]

  image_config {
    command = [each.value.handler]
  }
}
