/**
 * The part of Kong's declarative format (3.0) that kgents uses. Kong refuses unknown fields, and so do the types:
 * what is not listed here cannot be rendered.
 */

export interface KongConfig {
  _format_version: '3.0'
  services: KongService[]
  /** Routes that no service stands behind: a plugin answers. */
  routes: KongRoute[]
  consumers: KongConsumer[]
  /** Plugins that run for every request that matches a route. */
  plugins: KongPlugin[]
}

export interface KongService {
  name: string
  url: string
  /** Milliseconds; `read_timeout` is between two reads. */
  connect_timeout: number
  read_timeout: number
  write_timeout: number
  retries: number
  routes: KongRoute[]
}

export interface KongRoute {
  name: string
  /** A prefix, or a regular expression where it starts with `~`. */
  paths: string[]
  methods?: string[]
  /** All must match; a value that starts with `~*` is a regular expression. Kong compares in lower case. */
  headers?: Record<string, string[]>
  regex_priority?: number
  strip_path: false
  preserve_host: false
  response_buffering?: boolean
  tags?: string[]
  plugins?: KongPlugin[]
}

export interface KongConsumer {
  username: string
  jwt_secrets?: KongJwtSecret[]
}

export interface KongJwtSecret {
  /** The token's `kid`. */
  key: string
  algorithm: 'EdDSA' | 'ES256'
  /** PEM, of whatever algorithm. */
  rsa_public_key: string
}

export interface KongPlugin {
  name: string
  config: Record<string, unknown>
}
