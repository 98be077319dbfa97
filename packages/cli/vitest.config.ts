import { defineProject } from "vitest/config"

const conditions = ["@bottle/source"]

export default defineProject({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    name: "cli",
    include: ["test/**/*.test.ts"],
    globalSetup: ["scripts/vitestSetup.mjs"],
    testTimeout: 60_000,
    hookTimeout: 60_000
  }
})
