// ONNX Runtime for tests/bench/peers: loads the graphs that a JSON file lists, then runs and times the one that each line on
// standard input names. Prints milliseconds, one line an answer; the first output lies in FOLDER/NAME.out as raw float32.
//   node peers_onnx.js FOLDER   (FOLDER/graphs.json: {name: {file, inputs: {name: {type, dims, file}}}})
const fs = require("fs");
const path = require("path");
const readline = require("readline");
const onnx = require("onnxruntime-node");

const ARRAYS = { float32: Float32Array, int64: BigInt64Array };

function tensor(folder, input) {
	const bytes = fs.readFileSync(path.join(folder, input.file));
	const copy = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length);
	return new onnx.Tensor(input.type, new ARRAYS[input.type](copy), input.dims);
}

async function main(folder) {
	const graphs = JSON.parse(fs.readFileSync(path.join(folder, "graphs.json"), "utf8"));
	const sessions = {};
	const options = { intraOpNumThreads: 1, interOpNumThreads: 1, executionMode: "sequential", graphOptimizationLevel: "all",
		logSeverityLevel: 3 };
	for await (const line of readline.createInterface({ input: process.stdin })) {
		const graph = graphs[line];
		if (!sessions[line]) {
			const inputs = {};
			for (const name of Object.keys(graph.inputs)) inputs[name] = tensor(folder, graph.inputs[name]);
			sessions[line] = { session: await onnx.InferenceSession.create(path.join(folder, graph.file), options), inputs };
		}
		const { session, inputs } = sessions[line];
		const began = process.hrtime.bigint();
		const outputs = await session.run(inputs);
		const took = Number(process.hrtime.bigint() - began) / 1e6;
		const first = outputs[session.outputNames[0]].data;
		fs.writeFileSync(path.join(folder, line + ".out"), Buffer.from(first.buffer, first.byteOffset, first.byteLength));
		console.log(took.toFixed(4));
	}
}

main(process.argv[2]).catch((error) => {
	console.error(String(error));
	process.exit(1);
});
