data "cloudflare_ip_ranges" "published" {}

locals {
  ingress = yamldecode(file("${path.module}/../../knative/manifests/components/ingress/cloudflare.yaml"))
  trusted = toset(split(",", local.ingress.data.TRUSTED_PROXIES))
}

# A range that is missing there is refused by the load balancer.
check "trusted_proxies" {
  assert {
    condition = local.trusted == toset(concat(
      data.cloudflare_ip_ranges.published.ipv4_cidrs,
      data.cloudflare_ip_ranges.published.ipv6_cidrs,
    ))
    error_message = "Cloudflare publishes other ranges than components/ingress/cloudflare.yaml has: change it, and load-balancer.yaml"
  }
}
