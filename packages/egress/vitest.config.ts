import { defineProject } from "vitest/config"

const conditions = ["@bottle/source"]

export default defineProject({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  // One worker's files share its modules: loading them anew for each took a third of the time.
  test: { name: "egress", isolate: false, include: ["test/**/*.test.ts"], testTimeout: 30_000, hookTimeout: 30_000 }
})
