# Read by CMake at llama.cpp's project() call: leaves out its command-line helper library,
# which llama-cpp-python switches on but never loads.
set(LLAMA_BUILD_COMMON OFF)
