// Says on stdout what AsyncAPI's own parser finds wrong with a document, examples included; exit code 1 when it does.
import { readFileSync } from "node:fs";
import { Parser } from "@asyncapi/parser";

const { diagnostics } = await new Parser().parse(readFileSync(process.argv.at(-1), "utf8"));
const errors = diagnostics.filter((each) => each.severity === 0);
for (const each of errors) console.log(each.path.join("/"), each.message);
process.exit(errors.length ? 1 : 0);
