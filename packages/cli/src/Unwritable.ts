/**
 * Why a file cannot be written, in words.
 *
 * @since 0.1.0
 */
import type { PlatformError } from "@effect/platform/Error"

const reasons: Readonly<Record<string, string>> = {
  PermissionDenied: "you may not write there",
  NotFound: "there is no such directory",
  BadResource: "a part of its path is no directory"
}

/**
 * What the file system had against it.
 *
 * @since 0.1.0
 * @category conversions
 */
export const reasonOf = (error: PlatformError): string =>
  error._tag === "SystemError" ? (reasons[error.reason] ?? "the file system refuses it") : "its name cannot be one"
