locals {
  settings = {
    # Kong's certificate is verified.
    ssl              = "strict"
    always_use_https = "on"
    min_tls_version  = "1.2"
    tls_1_3          = "on"
    # A request that is replayed must not count twice.
    "0rtt" = "off"
    # Callers are programs: a challenge is a failure for them.
    browser_check  = "off"
    security_level = "medium"
    # Answers pass as they are: streams of events above all.
    rocket_loader = "off"
    websockets    = "off"
  }
}

resource "cloudflare_zone_setting" "this" {
  for_each = local.settings

  zone_id    = var.zone_id
  setting_id = each.key
  value      = each.value
}
