# Nobody learns the address behind it.
resource "cloudflare_dns_record" "api" {
  zone_id = var.zone_id
  name    = var.hostname
  type    = "CNAME"
  content = var.origin
  proxied = true
  ttl     = 1 # automatic, as for all that is proxied
  comment = "kgents: gateway"
}
