/**
 * The program of the Job: the newest schema, the logins of functions and relay and, where there is no tenant yet, the first
 * one with its admin. Run again it applies what is new and changes nothing else.
 */
import { readEnvironment } from '../../shared/config.ts'
import { createLog } from '../../shared/telemetry/log.ts'
import { prepareCluster, SetupConfig } from './prepare.ts'

const log = createLog('setup', 'info')
const applied = await prepareCluster(readEnvironment({ env: SetupConfig }))
log.info({ applied }, 'the database is ready')
