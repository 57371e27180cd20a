output "url" {
  description = "Where the API answers"
  value       = "https://${var.hostname}"
}

output "cacheable" {
  description = "Paths whose answers Cloudflare keeps"
  value       = local.cacheable
}
