locals {
  # The same in every zone.
  managed_ruleset = "efb7b8c949ac4650a09736fc376e9aee"
  owasp_ruleset   = "4814384a9e5d4991b9815dcfc25d2f1f"
  # Adds up what the other rules of OWASP have found.
  owasp_score_rule = "6179ae15870a4bb7b2d480d4843b323c"

  this_host = "(http.host eq \"${var.hostname}\")"
}

resource "cloudflare_ruleset" "managed" {
  zone_id     = var.zone_id
  name        = "kgents: managed rules"
  description = "Rules of Cloudflare against known attacks"
  kind        = "zone"
  phase       = "http_request_firewall_managed"

  rules = [
    {
      ref         = "kgents_managed"
      description = "Known attacks"
      expression  = local.this_host
      action      = "execute"
      action_parameters = {
        id = local.managed_ruleset
      }
    },
    # Prompts and tools hold text about anything, SQL and scripts too: many patterns have to come together, and unless
    # `owasp_action` is `block` it is only logged.
    {
      ref         = "kgents_owasp"
      description = "OWASP"
      expression  = local.this_host
      action      = "execute"
      action_parameters = {
        id = local.owasp_ruleset
        overrides = {
          categories = [
            { category = "paranoia-level-2", enabled = false },
            { category = "paranoia-level-3", enabled = false },
            { category = "paranoia-level-4", enabled = false },
          ]
          rules = [
            { id = local.owasp_score_rule, action = var.owasp_action, score_threshold = 60 },
          ]
        }
      }
    },
  ]
}

resource "cloudflare_ruleset" "custom" {
  zone_id     = var.zone_id
  name        = "kgents: paths"
  description = "What no client has any business with"
  kind        = "zone"
  phase       = "http_request_firewall_custom"

  rules = [
    {
      ref         = "kgents_metrics"
      description = "Metrics are read inside the cluster"
      expression  = "${local.this_host} and http.request.uri.path eq \"/metrics\""
      action      = "block"
    },
  ]
}

# By address, and coarse: what a tenant may send is counted by the functions, which know the tenant.
resource "cloudflare_ruleset" "rate_limits" {
  zone_id     = var.zone_id
  name        = "kgents: rate limits"
  description = "What one address may send"
  kind        = "zone"
  phase       = "http_ratelimit"

  rules = [
    {
      ref         = "kgents_tokens"
      description = "Requests for tokens"
      expression  = "${local.this_host} and http.request.uri.path eq \"/v1/auth/token\""
      action      = "block"
      action_parameters = {
        response = local.too_many_requests
      }
      ratelimit = {
        characteristics     = ["ip.src", "cf.colo.id"]
        period              = 10
        requests_per_period = var.tokens_per_ten_seconds
        mitigation_timeout  = 10
      }
    },
    {
      ref         = "kgents_requests"
      description = "All requests"
      expression  = local.this_host
      action      = "block"
      action_parameters = {
        response = local.too_many_requests
      }
      ratelimit = {
        characteristics     = ["ip.src", "cf.colo.id"]
        period              = 10
        requests_per_period = var.requests_per_ten_seconds
        mitigation_timeout  = 10
      }
    },
  ]
}

# As Kong answers it.
locals {
  too_many_requests = {
    status_code  = 429
    content_type = "application/json"
    content = jsonencode({
      type        = "urn:kgents:failure:RATE_LIMITED"
      title       = "A limit is reached"
      status      = 429
      category    = "QUOTA_EXCEEDED"
      code        = "RATE_LIMITED"
      message     = "Cannot take the request: too many come from this address"
      retry_after = 10
    })
  }
}
