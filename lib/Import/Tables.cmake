# What config.json and the tensors say, without MLIR: for import and
# rill-inspect.
set(tables lib/Import)
add_library(RillImportTables STATIC
  ${tables}/Section.cpp ${tables}/ModelConfig.cpp ${tables}/Tensors.cpp ${tables}/Inspect.cpp
  ${tables}/Text.cpp
  ${tables}/Lfm2Vl/Config.cpp ${tables}/Qwen3/Config.cpp
  ${tables}/DFlash/Config.cpp ${tables}/DFlash/Tensors.cpp)
target_compile_options(RillImportTables PRIVATE ${RILL_WARNINGS})
target_link_libraries(RillImportTables PUBLIC RillCheckpoint rill_text)
