terraform {
  required_version = ">= 1.9"

  required_providers {
    cloudflare = {
      source  = "cloudflare/cloudflare"
      version = "5.22.0"
    }
  }
}

# The token is CLOUDFLARE_API_TOKEN of the environment.
provider "cloudflare" {}
