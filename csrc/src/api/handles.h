// What the opaque handles of ds4x.h point to.
#pragma once

#include "session/sampler.h"
#include "session/session.h"

#include <memory>
#include <vector>

struct ds4x_engine {
    std::shared_ptr<ds4::Engine> core;
    std::vector<ds4::ForwardSpan> spans; // guarded by core->mutex(); kept so that a decode step makes no heap call
    ds4::SampleScratch scratch;          // guarded by core->mutex()
};

struct ds4x_session {
    std::unique_ptr<ds4::Session> core;
};

struct ds4x_checkpoint {
    std::unique_ptr<ds4::HeldCheckpoint> core;
};
