/** Every fault that there is. */
import type { Fault } from "../fault.js"
import { clock } from "./clock.js"
import { crowds } from "./crowds.js"
import { docker } from "./docker.js"
import { hundred } from "./hundred.js"
import { keeper } from "./keeper.js"
import { ledger } from "./ledger.js"
import { machine } from "./machine.js"
import { owner } from "./owner.js"
import { signals } from "./signals.js"
import { smolvm } from "./smolvm.js"

/** Every fault that there is. */
export const all: ReadonlyArray<Fault> = [
  ...owner,
  ...signals,
  ...machine,
  ...keeper,
  ...ledger,
  ...clock,
  ...smolvm,
  ...docker,
  ...crowds,
  ...hundred
]
