locals {
  # Public, the same for everybody, and sent with `Cache-Control` and `ETag`.
  cacheable = ["/.well-known/jwks.json", "/openapi.json", "/asyncapi.json", "/docs", "/console", "/v1/plans"]
  # Addresses below it name the contents.
  cacheable_below = "/console/"
}

# The last rule that matches decides. What is not eligible is passed on as it comes: no chunk of a stream waits for the next.
resource "cloudflare_ruleset" "cache" {
  zone_id     = var.zone_id
  name        = "kgents: cache"
  description = "Answers of the API are never kept"
  kind        = "zone"
  phase       = "http_request_cache_settings"

  rules = [
    {
      ref         = "kgents_no_cache"
      description = "Answers belong to who asked"
      expression  = local.this_host
      action      = "set_cache_settings"
      action_parameters = {
        cache = false
      }
    },
    {
      ref         = "kgents_public_documents"
      description = "Public keys and the reference, for as long as the function says"
      expression  = "${local.this_host} and (http.request.uri.path in {${join(" ", [for path in local.cacheable : "\"${path}\""])}} or starts_with(http.request.uri.path, \"${local.cacheable_below}\"))"
      action      = "set_cache_settings"
      action_parameters = {
        cache = true
        # What says nothing is not kept.
        edge_ttl    = { mode = "bypass_by_default" }
        browser_ttl = { mode = "respect_origin" }
        # Entity tags come back as they were sent.
        respect_strong_etags = true
      }
    },
  ]
}
