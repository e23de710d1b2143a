{
	"patcher": {
		"fileversion": 1,
		"rect": [100.0, 100.0, 560.0, 420.0],
		"boxes": [
			{"box": {"id": "receive", "maxclass": "newobj", "text": "udpreceive 57120", "numinlets": 1, "numoutlets": 1, "outlettype": [""], "patching_rect": [30.0, 30.0, 120.0, 22.0]}},
			{"box": {"id": "route", "maxclass": "newobj", "text": "route /midibert/melody/on /midibert/melody/off /midibert/style/name", "numinlets": 4, "numoutlets": 4, "outlettype": ["", "", "", ""], "patching_rect": [30.0, 70.0, 400.0, 22.0]}},
			{"box": {"id": "unpack", "maxclass": "newobj", "text": "unpack 0 0 0 0.", "numinlets": 1, "numoutlets": 4, "outlettype": ["int", "int", "int", "float"], "patching_rect": [30.0, 110.0, 100.0, 22.0]}},
			{"box": {"id": "octave", "maxclass": "newobj", "text": "+ 12", "numinlets": 2, "numoutlets": 1, "outlettype": ["int"], "patching_rect": [30.0, 150.0, 40.0, 22.0]}},
			{"box": {"id": "mtof", "maxclass": "newobj", "text": "mtof", "numinlets": 1, "numoutlets": 1, "outlettype": [""], "patching_rect": [30.0, 190.0, 40.0, 22.0]}},
			{"box": {"id": "cycle", "maxclass": "newobj", "text": "cycle~", "numinlets": 2, "numoutlets": 1, "outlettype": ["signal"], "patching_rect": [30.0, 230.0, 50.0, 22.0]}},
			{"box": {"id": "loudness", "maxclass": "newobj", "text": "/ 600.", "numinlets": 2, "numoutlets": 1, "outlettype": ["float"], "patching_rect": [110.0, 150.0, 50.0, 22.0]}},
			{"box": {"id": "rise", "maxclass": "message", "text": "$1 10", "numinlets": 2, "numoutlets": 1, "outlettype": [""], "patching_rect": [110.0, 190.0, 50.0, 22.0]}},
			{"box": {"id": "fall", "maxclass": "message", "text": "0. 300", "numinlets": 2, "numoutlets": 1, "outlettype": [""], "patching_rect": [190.0, 190.0, 50.0, 22.0]}},
			{"box": {"id": "line", "maxclass": "newobj", "text": "line~", "numinlets": 2, "numoutlets": 2, "outlettype": ["signal", "bang"], "patching_rect": [110.0, 230.0, 50.0, 22.0]}},
			{"box": {"id": "product", "maxclass": "newobj", "text": "*~", "numinlets": 2, "numoutlets": 1, "outlettype": ["signal"], "patching_rect": [30.0, 270.0, 50.0, 22.0]}},
			{"box": {"id": "dac", "maxclass": "newobj", "text": "dac~", "numinlets": 2, "numoutlets": 0, "patching_rect": [30.0, 310.0, 50.0, 22.0]}},
			{"box": {"id": "style", "maxclass": "newobj", "text": "print style", "numinlets": 1, "numoutlets": 0, "patching_rect": [330.0, 110.0, 80.0, 22.0]}}
		],
		"lines": [
			{"patchline": {"source": ["receive", 0], "destination": ["route", 0]}},
			{"patchline": {"source": ["route", 0], "destination": ["unpack", 0]}},
			{"patchline": {"source": ["route", 1], "destination": ["fall", 0]}},
			{"patchline": {"source": ["route", 2], "destination": ["style", 0]}},
			{"patchline": {"source": ["unpack", 1], "destination": ["octave", 0]}},
			{"patchline": {"source": ["unpack", 2], "destination": ["loudness", 0]}},
			{"patchline": {"source": ["octave", 0], "destination": ["mtof", 0]}},
			{"patchline": {"source": ["mtof", 0], "destination": ["cycle", 0]}},
			{"patchline": {"source": ["cycle", 0], "destination": ["product", 0]}},
			{"patchline": {"source": ["loudness", 0], "destination": ["rise", 0]}},
			{"patchline": {"source": ["rise", 0], "destination": ["line", 0]}},
			{"patchline": {"source": ["fall", 0], "destination": ["line", 0]}},
			{"patchline": {"source": ["line", 0], "destination": ["product", 1]}},
			{"patchline": {"source": ["product", 0], "destination": ["dac", 0]}},
			{"patchline": {"source": ["product", 0], "destination": ["dac", 1]}}
		]
	}
}
