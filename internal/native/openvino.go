package native

import "fmt"

// openvinoFor returns onnxruntime with OpenVINO's provider. The wheel's libraries find each other by their own folder
// ($ORIGIN); its plugins for other devices and its Python module are left out. Digests were measured on the wheel.
func openvinoFor(machine string) (artifact, error) {
	if machine != "linux/amd64" {
		return artifact{}, &Error{
			Library: OpenVINO, Problem: fmt.Sprintf("no digest is known for %s, want linux/amd64", machine),
			hint: "use --provider cpu or engine on this machine",
		}
	}
	const capi = "onnxruntime/capi/"
	return artifact{
		library: OpenVINO, version: OpenVINOVersion, dir: OpenVINO, file: "libonnxruntime.so." + OpenVINOVersion, room: 230,
		command: "nitrain setup --with " + OpenVINO,
		manual:  "install pip or uv; the wheel is onnxruntime-openvino==" + OpenVINOVersion + " for CPython 3.12",
		licence: "onnxruntime: MIT; OpenVINO and oneTBB: Apache-2.0; their notices lie beside the libraries",
		digests: []string{"c7b0590c7825f7029ba17e20a5dea27f7f570d8241d60584caacd363648aa8e2"},
		maxSize: 128 << 20,
		parts: []part{
			{capi + "libonnxruntime_providers_shared.so", "5e02c1ff90e7d71365264dbb6767c00f04a8b57a96cddbc0085c61fa1393250d"},
			{capi + "libonnxruntime_providers_openvino.so", "b19cae6eb713f35427a8427f141ffc8fc2471ae0532f57e52d84fa9a66799c30"},
			{capi + "libopenvino.so.2541", "ac9634b715a242a61644c77bc38f17508fe73f517e418027e2410f4bee004943"},
			{capi + "libopenvino_onnx_frontend.so.2541", "f426710881d8c1a01d5ed6d7eaa076d923b19983d3ab3a18bb19d25dba7d8923"},
			{capi + "libopenvino_intel_cpu_plugin.so", "034df890550ae9199fe5f8608c0df8fd0fe355f303bad56bea10bae14c14c3cb"},
			{capi + "libtbb.so.12", "6781dc6aa8b2ca237d0164258e70266a44667756c02a9a039782ec1d1a67b653"},
			{"onnxruntime/LICENSE", "2f07c72751aed99790b8a4869cf2311df85a860b22ded05fa22803587a48922c"},
			{"onnxruntime/ThirdPartyNotices.txt", "0e07b95f3a8d6230037707c5c4a2b554d12c4cb67369669ac255635528ffcee2"},
		},
		wheel: "onnxruntime-openvino==" + OpenVINOVersion, wheelFile: "onnxruntime_openvino-*.whl",
		tags:     []string{"--platform", "manylinux_2_28_x86_64", "--implementation", "cp", "--python-version", "3.12", "--abi", "cp312"},
		uvTag:    "x86_64-manylinux_2_28",
		wheelLib: capi + "libonnxruntime.so." + OpenVINOVersion,
	}, nil
}
