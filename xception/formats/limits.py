"""Limits on what a model file may make this library do.

Files come from strangers. Each limit bounds the memory, the time or the recursion that a small file
could otherwise cause, and lies far above what real files need. The limits on nodes and axes are in
`graph.limits`, those on memory and work in `xception.limits`, that on the integers in settings in
`layers.validation`.
"""

from __future__ import annotations

# --- configs --------------------------------------------------------------------------------

#: One JSON text or HDF5 attribute. Parsed JSON takes many times its size in memory. The description of
#: Xception has 120 kB.
MAX_TEXT_BYTES = 16 << 20
#: A layer's name is repeated in the names of all nodes inside it, and in messages. Names of deeply
#: nested layers consist of several names.
MAX_NAME_CHARACTERS = 500
#: Networks within networks: each level is a level of recursion.
MAX_NETWORK_DEPTH = 16
#: Lists within lists around a tensor: each level copies all tensors within.
MAX_TENSOR_DEPTH = 16
#: Layers within layers, such as TimeDistributed(Bidirectional(LSTM)). Bounds recursion.
MAX_WRAPPING_DEPTH = 8
#: Outputs of one operation, each of which is read on its own. `K.repeat_elements` splits all channels.
MAX_OPERATION_OUTPUTS = 4096
#: Sections of an operation that are listed one by one: each of its outputs reads the whole list.
MAX_LISTED_SECTIONS = 1000
#: Settings of one operation, of which each of its outputs makes a copy.
MAX_SETTINGS = 100
#: The reason of a refusal, which may quote a hostile config.
MAX_REASON_CHARACTERS = 1200

# --- zip archives ---------------------------------------------------------------------------

#: Each member costs an object. A `.keras` archive has four, and possibly assets.
MAX_ARCHIVE_MEMBERS = 10_000
#: The directory of an archive, which zipfile reads at once, and expands to many times its size.
MAX_ARCHIVE_DIRECTORY_BYTES = 4 << 20
#: Unpacked over packed size of a whole weights file. Trained weights shrink by a tenth when compressed,
#: a bomb to a thousandth.
MAX_WEIGHTS_COMPRESSION_RATIO = 32
#: What a weights file holds per parameter: a float64, and the optimizer's state beside it.
MAX_BYTES_PER_PARAMETER = 32
#: What a weights file holds besides numbers: HDF5's own tables, and unused space.
MAX_HDF5_OVERHEAD_BYTES = 64 << 20
#: Parameters that compressed weights may always have, even if they are read for a smaller model: the
#: archive may hold a larger one.
MAX_ASSUMED_PARAMETERS = 1 << 25

#: Files that sharded weights are in. All are open at once, with two descriptors each; 256 descriptors are the
#: lowest common limit of a process.
MAX_SHARDS = 100

# --- HDF5 -----------------------------------------------------------------------------------

#: Links followed while one file is read. Hard links can form circles, and lists can name one group
#: thousands of times, so that a walk through the file would not end.
MAX_LINKS = 200_000
#: Opening an array takes as long as following this many links, and counts as this many.
LINKS_PER_ARRAY = 10
#: Depth to which the networks of a file are searched for one that fits. Each level opens its groups.
MAX_SEARCH_DEPTH = 8
#: Groups within groups in one path: HDF5 opens each.
MAX_PATH_DEPTH = 32
#: All texts read from one file: many attributes may point to the same text in a heap.
MAX_TEXTS_READ_BYTES = 64 << 20
#: Blocks of one object header, which may point to each other in a circle.
MAX_HEADER_BLOCKS = 1000
#: Nodes of the tree in which a group's links or an array's chunks are listed: each is read on its own.
MAX_TREE_NODES = 20_000
#: Trees of the newer kind may refer to themselves once for each level: a group of MAX_LINKS links has
#: three levels below the first, of nodes of 512 bytes.
MAX_TABLE_DEPTH = 3
MAX_TABLE_NODE_BYTES = 2048
#: An entry's name in a newer group: what HDF5 puts beside other names, not into a block of its own.
MAX_NAME_BYTES = 4096
#: Names of all entries of one group.
MAX_HEAP_BYTES = 16 << 20
#: One block of an object header. The file states its size, and the reader allocates it.
MAX_HEADER_BLOCK_BYTES = 1 << 20
#: Location of an object in a message: paths may be megabytes long.
MAX_LOCATION_CHARACTERS = 300

# --- arrays ---------------------------------------------------------------------------------

#: Declared over stored size of an array. Deflate expands a byte to at most 1032 bytes, so an array beyond
#: this declares more than the file holds.
MAX_DEFLATE_RATIO = 1100
#: A compressed chunk that is larger than its array, as h5py writes small arrays that can grow. A chunk
#: is unpacked in one piece.
MAX_OVERSIZE_CHUNK_BYTES = 1 << 20
#: Decoding a chunk beyond the end of its array takes as long as following one link for each such part.
CHUNK_BYTES_PER_LINK = 1 << 14
#: Chunks of all arrays. Reading one takes 10 μs even if it holds a single number, and the tables of many
#: arrays may list the same chunks.
MAX_CHUNKS = 200_000
#: Size of a number: a long double. HDF5 knows numbers of any size.
MAX_NUMBER_BITS = 128
#: Values that one filter has in an array's header. Scale-offset has 20, those that are read have one. h5py
#: before 3.16 has room for 16, and crashes when it is asked for thousands.
MAX_FILTER_VALUES = 32
