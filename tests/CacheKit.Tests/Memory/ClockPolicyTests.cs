using CacheKit.Memory;

namespace CacheKit.Tests.Memory;

public sealed class ClockPolicyTests : EvictionPolicyContract
{
    private protected override IEvictionPolicy Create(long maximumWeight) => new ClockPolicy(maximumWeight, PolicyHash.Of);
}
