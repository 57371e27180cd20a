/**
 * Runs once before Kong starts, as its init container: reads kong.yaml, adds what belongs to this deployment, and
 * writes the file that Kong loads, with kong.conf beside it. Keys rotate by running it again and restarting Kong's pods
 * one by one.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { stringify } from 'yaml'
import { readEnvironment } from '../../shared/config.ts'
import { gateway } from './component.ts'
import { deployKongConf, readDeployment } from './deployment.ts'

const environment = readEnvironment(gateway)
const file = environment.KONG_DECLARATIVE_CONFIG
writeFileSync(file, stringify(readDeployment(environment), { aliasDuplicateObjects: false }))
const conf = readFileSync(new URL('kong.conf', import.meta.url), 'utf8')
writeFileSync(join(dirname(file), 'kong.conf'), deployKongConf(conf, environment))
