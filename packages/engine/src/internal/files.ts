import type * as PlatformError from "@effect/platform/Error"
import { HostFileFailed } from "../LaunchError.js"

/** A file error without the platform's own message, which names the whole call. */
export const fileFailed =
  (path: string) =>
  (error: PlatformError.PlatformError): HostFileFailed =>
    new HostFileFailed({ path, reason: error._tag === "SystemError" ? error.reason : "the path cannot be used" })
