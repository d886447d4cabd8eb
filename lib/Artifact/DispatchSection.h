//===- DispatchSection.h - Layers and costs of dispatches -------*- C++ -*-===//
//
// What profiles say of each dispatch (docs/Artifact.md).
//
//===----------------------------------------------------------------------===//
#ifndef RILL_LIB_ARTIFACT_DISPATCHSECTION_H
#define RILL_LIB_ARTIFACT_DISPATCHSECTION_H

#include "Manifest.h"

namespace rill {

/// JSON text. Layers and shape programs stand once, in lists; dispatches name
/// them by number.
std::string encodeDispatches(const std::vector<ManifestPlan> &plans);

} // namespace rill

#endif
