// Reads lines of the log, and writes what logfmt's reader makes of each: a JSON object a line.
const logfmt = require("logfmt");
for (const line of require("fs").readFileSync(0, "utf8").split("\n").filter(line => line))
	console.log(JSON.stringify(logfmt.parse(line)));
