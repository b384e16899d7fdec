// From handles to what they point to.
#pragma once

#include "api/guard.h"
#include "api/handles.h"

namespace ds4 {

// What a handle points to. Throw Error(ARGUMENT) for NULL.
inline Engine &core(const ds4x_engine *engine) { return *need(engine, "engine").core; }
inline Session &core(const ds4x_session *session) { return *need(session, "session").core; }
inline HeldCheckpoint &core(const ds4x_checkpoint *checkpoint) { return *need(checkpoint, "checkpoint").core; }

} // namespace ds4
