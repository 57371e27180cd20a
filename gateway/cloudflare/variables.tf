variable "zone_id" {
  description = "Zone of the domain"
  type        = string
}

variable "hostname" {
  description = "Name under which the API answers"
  type        = string
  default     = "api.kgents.io"
}

variable "origin" {
  description = "Name of the load balancer in front of Kong: kubectl -n kgents get service ingress"
  type        = string
}

variable "requests_per_ten_seconds" {
  description = "What one address may send in 10 seconds to one data center, far above what a plan grants to a tenant"
  type        = number
  default     = 1000
}

variable "tokens_per_ten_seconds" {
  description = "How often one address may ask for a token in 10 seconds: keys are not to be guessed"
  type        = number
  default     = 20
}

variable "owasp_action" {
  description = "What happens where OWASP's rules find an attack: block, or log, as prompts may look like one"
  type        = string
  default     = "log"

  validation {
    condition     = contains(["block", "log"], var.owasp_action)
    error_message = "It is block or log"
  }
}
