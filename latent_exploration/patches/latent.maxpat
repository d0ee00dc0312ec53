{
 "patcher": {
  "fileversion": 1,
  "appversion": {
   "major": 8,
   "minor": 5,
   "revision": 0,
   "architecture": "x64",
   "modernui": 1
  },
  "classnamespace": "box",
  "rect": [
   60.0,
   60.0,
   720.0,
   660.0
  ],
  "boxes": [
   {
    "box": {
     "id": "about",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      24,
      16,
      620,
      22.0
     ],
     "text": "Start python -m latent_exploration.osc --sounds docs --output demo/rendered --reply_port 9001"
    }
   },
   {
    "box": {
     "id": "send",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      24,
      520,
      160,
      22.0
     ],
     "text": "udpsend 127.0.0.1 9000"
    }
   },
   {
    "box": {
     "id": "receive",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 1,
     "patching_rect": [
      24,
      560,
      110,
      22.0
     ],
     "text": "udpreceive 9001",
     "outlettype": [
      ""
     ]
    }
   },
   {
    "box": {
     "id": "print",
     "maxclass": "newobj",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      24,
      592,
      90,
      22.0
     ],
     "text": "print answer"
    }
   },
   {
    "box": {
     "id": "message0",
     "maxclass": "message",
     "numinlets": 2,
     "numoutlets": 1,
     "patching_rect": [
      24,
      56,
      320,
      22.0
     ],
     "text": "/load example_input.ogg",
     "outlettype": [
      ""
     ]
    }
   },
   {
    "box": {
     "id": "message1",
     "maxclass": "message",
     "numinlets": 2,
     "numoutlets": 1,
     "patching_rect": [
      24,
      88,
      320,
      22.0
     ],
     "text": "/keep 1",
     "outlettype": [
      ""
     ]
    }
   },
   {
    "box": {
     "id": "message2",
     "maxclass": "message",
     "numinlets": 2,
     "numoutlets": 1,
     "patching_rect": [
      24,
      120,
      320,
      22.0
     ],
     "text": "/load example_any_strings.ogg",
     "outlettype": [
      ""
     ]
    }
   },
   {
    "box": {
     "id": "message3",
     "maxclass": "message",
     "numinlets": 2,
     "numoutlets": 1,
     "patching_rect": [
      24,
      152,
      320,
      22.0
     ],
     "text": "/keep 2",
     "outlettype": [
      ""
     ]
    }
   },
   {
    "box": {
     "id": "message4",
     "maxclass": "message",
     "numinlets": 2,
     "numoutlets": 1,
     "patching_rect": [
      24,
      184,
      320,
      22.0
     ],
     "text": "/crossfade 0 1",
     "outlettype": [
      ""
     ]
    }
   },
   {
    "box": {
     "id": "message5",
     "maxclass": "message",
     "numinlets": 2,
     "numoutlets": 1,
     "patching_rect": [
      24,
      216,
      320,
      22.0
     ],
     "text": "/spread 1.5",
     "outlettype": [
      ""
     ]
    }
   },
   {
    "box": {
     "id": "message6",
     "maxclass": "message",
     "numinlets": 2,
     "numoutlets": 1,
     "patching_rect": [
      24,
      248,
      320,
      22.0
     ],
     "text": "/curve 1 0 -2 0.5 2 1 -2",
     "outlettype": [
      ""
     ]
    }
   },
   {
    "box": {
     "id": "message7",
     "maxclass": "message",
     "numinlets": 2,
     "numoutlets": 1,
     "patching_rect": [
      24,
      280,
      320,
      22.0
     ],
     "text": "/loudness 0 -40 1 -10",
     "outlettype": [
      ""
     ]
    }
   },
   {
    "box": {
     "id": "message8",
     "maxclass": "message",
     "numinlets": 2,
     "numoutlets": 1,
     "patching_rect": [
      24,
      312,
      320,
      22.0
     ],
     "text": "/reverse",
     "outlettype": [
      ""
     ]
    }
   },
   {
    "box": {
     "id": "message9",
     "maxclass": "message",
     "numinlets": 2,
     "numoutlets": 1,
     "patching_rect": [
      24,
      344,
      320,
      22.0
     ],
     "text": "/size",
     "outlettype": [
      ""
     ]
    }
   },
   {
    "box": {
     "id": "message10",
     "maxclass": "message",
     "numinlets": 2,
     "numoutlets": 1,
     "patching_rect": [
      24,
      376,
      320,
      22.0
     ],
     "text": "/undo",
     "outlettype": [
      ""
     ]
    }
   },
   {
    "box": {
     "id": "message11",
     "maxclass": "message",
     "numinlets": 2,
     "numoutlets": 1,
     "patching_rect": [
      24,
      408,
      320,
      22.0
     ],
     "text": "/render from_max.wav",
     "outlettype": [
      ""
     ]
    }
   },
   {
    "box": {
     "id": "hint",
     "maxclass": "comment",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      420,
      56,
      200,
      22.0
     ],
     "text": "holds dimension 1 at a value"
    }
   },
   {
    "box": {
     "id": "slider",
     "maxclass": "flonum",
     "numinlets": 1,
     "numoutlets": 2,
     "outlettype": [
      "",
      "bang"
     ],
     "minimum": -2.0,
     "maximum": 2.0,
     "patching_rect": [
      420,
      88,
      80,
      22.0
     ]
    }
   },
   {
    "box": {
     "id": "set",
     "maxclass": "message",
     "numinlets": 2,
     "numoutlets": 1,
     "patching_rect": [
      420,
      128,
      120,
      22.0
     ],
     "text": "/set 1 $1",
     "outlettype": [
      ""
     ]
    }
   }
  ],
  "lines": [
   {
    "patchline": {
     "source": [
      "receive",
      0
     ],
     "destination": [
      "print",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "message0",
      0
     ],
     "destination": [
      "send",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "message1",
      0
     ],
     "destination": [
      "send",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "message2",
      0
     ],
     "destination": [
      "send",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "message3",
      0
     ],
     "destination": [
      "send",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "message4",
      0
     ],
     "destination": [
      "send",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "message5",
      0
     ],
     "destination": [
      "send",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "message6",
      0
     ],
     "destination": [
      "send",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "message7",
      0
     ],
     "destination": [
      "send",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "message8",
      0
     ],
     "destination": [
      "send",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "message9",
      0
     ],
     "destination": [
      "send",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "message10",
      0
     ],
     "destination": [
      "send",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "message11",
      0
     ],
     "destination": [
      "send",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "slider",
      0
     ],
     "destination": [
      "set",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "set",
      0
     ],
     "destination": [
      "send",
      0
     ]
    }
   }
  ]
 }
}
