namespace Dawn.Membership;

/// <summary>Publishes this node's own record anew.</summary>
internal interface IRecordPublisher
{
    /// <summary>Has a record of a higher sequence signed and spread, soon; returns at once.</summary>
    void Publish();
}
