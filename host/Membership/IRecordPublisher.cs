namespace Dawn.Membership;

/// <summary>Publishes this node's own record anew.</summary>
internal interface IRecordPublisher
{
    /// <summary>Signs and spreads a record of a higher sequence.</summary>
    void Publish();
}
