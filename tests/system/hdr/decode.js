// Reads texts, one a line, and writes what HdrHistogram's reader makes of each: a JSON object a line.
const hdr = require("hdr-histogram-js");
const lines = require("fs").readFileSync(0, "utf8").split("\n").filter(line => line);
for (const line of lines) {
	const histogram = hdr.decodeFromCompressedBase64(line);
	const counts = [];
	for (let i = 0; i < histogram.countsArrayLength; i++) {
		const count = histogram.getCountAtIndex(i);
		if (count)
			counts.push([histogram.valueFromIndex(i), count]);
	}
	console.log(JSON.stringify({
		total: histogram.totalCount, max: histogram.maxValue, counts,
		quantiles: [50, 90, 99, 99.9, 99.99].map(part => histogram.getValueAtPercentile(part)),
	}));
}
