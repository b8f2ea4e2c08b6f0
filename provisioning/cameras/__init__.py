"""Cameras found and tried on site: ONVIF on the network, V4L2 and CSI in the node, any URL by hand.

`discovery.discover` finds, `onvif.describe` asks one for its streams, `suggestion.suggest` picks main and sub of them,
`probe.probe` opens a stream and measures it, `local.list_v4l2` and `local.list_csi` look into the node, and
`sentences.explain` says any failure of these in the technician's language.
"""
